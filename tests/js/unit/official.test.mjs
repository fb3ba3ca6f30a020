// The official Socket.IO server of npm, scripted for Saga and DocProc: the package against a peer that isn't ours.
import assert from 'node:assert/strict';
import { connect } from 'steadfast';
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { until } from '../support/mock.mjs';
import { startOfficial } from '../support/official.mjs';

let servers;
let clients = [];
beforeAll(async () => (servers = { saga: await startOfficial('saga'), docproc: await startOfficial('docproc') }));
afterAll(async () => {
  for (const server of Object.values(servers ?? {})) await server.stop();
});
afterEach(async () => {
  for (const client of clients) await client.close();
  clients = [];
});
const it = (name, run) => test(name, { timeout: 20_000 }, run);

function open(service, options = {}) {
  const token = service === 'saga' ? 'good-1' : undefined;
  const client = connect({ service, url: servers[service].url, token, baseDelay: 50, maxDelay: 200, restartSpread: 100, ...options });
  clients.push(client);
  return client;
}

it('Saga: a story and an export from start to end', async () => {
  const client = open('saga');
  const subscription = client.subscribe('book-1');
  const seen = [];
  subscription.on('*', (event) => event.data !== undefined && seen.push(event.type));
  const ready = await until(subscription, (event) => event.type === 'export_ready');
  assert.equal(ready.data.downloadUrl, 'https://files.example/book.pdf');
  const flow = ['story_uploaded', 'story_processing', 'transcript_updated', 'story_processed', 'interaction_added', 'interaction_updated', 'export_started', 'export_progress', 'export_ready'];
  assert.deepEqual(seen.filter((type) => flow.includes(type)), flow);
  assert.deepEqual(subscription.snapshot.items.map((item) => [item.kind, item.phase]), [['story', 'done'], ['export', 'done']]);
  assert.ok((await client.ping()) >= 0);
  assert.equal((await client.serverHealth()).status, 'healthy');
  assert.equal((await client.serverStats()).userCount, 1);
});

it('DocProc: models, a question answered over REST, the result', async () => {
  const client = open('docproc');
  const subscription = client.subscribe('paper-1');
  subscription.on('clarification', (event) => {
    if (event.data.status === 'pending') void client.respondToClarification(event.data.clarificationId, 'with tax');
  });
  const types = new Set();
  for await (const event of subscription) types.add(event.type);
  for (const name of ['progress', 'model_result', 'clarification', 'completed']) assert.ok(types.has(name), name);
  assert.equal(subscription.state.status, 'ended');
  assert.deepEqual([subscription.snapshot.phase, subscription.snapshot.progress], ['done', 1]);
  assert.equal((await client.fetchSession('paper-1')).status, 'COMPLETED');
});

it('CONNECT_ERROR: another token is asked for once, then it is over until there is a good one', async () => {
  const asked = [];
  const client = open('saga', { token: ({ force }) => (asked.push(force), 'bad-1') });
  await assert.rejects(client.ready());
  assert.equal(client.state.status, 'failed');
  assert.equal(client.state.why.kind, 'AuthFailed');
  assert.equal(client.state.why.code, 'AUTH_FAILED');
  assert.ok(asked.includes(true), 'asked with force');
  client.setToken('good-2');
  await client.ready();
});

it('a topic that is refused rejects live() with the reason', async () => {
  const denied = open('saga').subscribe('denied-1');
  await assert.rejects(denied.live());
  assert.equal(denied.state.status, 'refused');
  assert.equal(denied.state.why.code, 'PROJECT_ACCESS_DENIED');
  const missing = open('docproc').subscribe('missing-1');
  await assert.rejects(missing.live());
  assert.equal(missing.state.status, 'refused');
});

for (const how of ['cut', 'close', 'kick']) {
  it(`${how}: both come back with their topics, and hear what follows`, async () => {
    for (const service of ['saga', 'docproc']) {
      const client = open(service);
      const subscription = client.subscribe('quiet-1');
      await subscription.live();
      const gap = until(subscription, (event) => event.type === 'gap');
      await servers[service].tell(how);
      await gap;
      assert.equal(subscription.state.status, 'live', service);
      assert.equal(client.stats().reconnects, 1, service);
      const heard = until(subscription, (event) => event.type === (service === 'saga' ? 'story_processed' : 'progress'));
      await servers[service].tell(service === 'saga' ? 'acknowledged' : 'emit');
      await heard;
    }
  });
}

it('an announced shutdown and an expired token are overcome', async () => {
  let count = 0;
  // One that was refused is not shown again, so there is another each time.
  const client = open('saga', { token: () => `good-${++count}` });
  await client.subscribe('quiet-2').live();
  for (const [at, what] of ['shutdown', 'expire'].entries()) {
    const gap = until(client, (event) => event.type === 'gap');
    await servers.saga.tell(what);
    await gap;
    assert.equal(client.stats().reconnects, at + 1);
  }
});

it('bytes in an event it does not know break nothing', async () => {
  const client = open('saga');
  const subscription = client.subscribe('quiet-1');
  await subscription.live();
  await servers.saga.tell('binary');
  const heard = until(subscription, (event) => event.type === 'story_processed');
  await servers.saga.tell('acknowledged');
  await heard;
  assert.equal(client.stats().reconnects, 0);
});
