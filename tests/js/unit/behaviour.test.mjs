// Faults, reconnects, tokens, commands, readers: what an app meets on a bad day.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { ConfigError, SteadfastError, TokenDenied, connect } from 'steadfast';
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { pause, startMock, token, until } from '../support/mock.mjs';

let mock;
let clients = [];
beforeAll(async () => (mock = await startMock()));
afterAll(() => mock.stop());
afterEach(async () => {
  for (const client of clients) await client.close();
  clients = [];
});

function open(service, options = {}) {
  const user = `b-${clients.length}-${Math.random()}`;
  const own = () => token({ sub: user, role: service === 'therapybridge' ? 'therapist' : 'facilitator' });
  const client = connect({ service, url: mock.url(service), token: own, baseDelay: 50, maxDelay: 200, ...options });
  clients.push(client);
  return client;
}
const it = (name, run) => test(name, { timeout: 12_000 }, run);
const kind = (name) => (error) => error instanceof SteadfastError && error.kind === name;

it('a dropped connection comes back, topics are asked again, a gap is told', async () => {
  for (const service of ['charisma', 'saga', 'devcontext']) {
    const client = open(service);
    const subscription = client.subscribe(`quiet-${service}`);
    await subscription.live();
    const gap = until(subscription, (event) => event.type === 'gap');
    await mock.fault({ service, when: 'now' }, { do: 'drop', how: 'rst' });
    assert.equal((await gap).topic, `quiet-${service}`);
    assert.equal(subscription.state.status, 'live');
    assert.equal(client.stats().reconnects, 1);
    const data = { charisma: { type: 'session_status', sessionId: 'quiet-charisma', status: 'uploading' }, saga: { projectId: 'quiet-saga', storyId: 's' }, devcontext: undefined }[service];
    if (data) {
      const heard = until(subscription, (event) => event.data !== undefined);
      await mock.emit(service, `quiet-${service}`, data, service === 'saga' ? 'story_processing' : undefined);
      await heard;
    }
  }
});

it('a refused token is asked for once more, then it is over until a new one is set', async () => {
  const asked = [];
  const client = open('charisma', { auth: 'message', token: ({ force }) => (asked.push(force), 'nonsense') });
  await assert.rejects(client.ready(), (error) => error instanceof SteadfastError);
  assert.equal(client.state.status, 'failed');
  assert.equal(client.state.why.kind, 'AuthFailed');
  assert.ok(asked.includes(true), 'asked with force');
  client.setToken(token({ sub: 'fresh' }));
  await client.ready();
  assert.doesNotMatch(client.diagnose().text, /nonsense|eyJ/);
});

it('a provider that denies ends it, one that fails is asked again', async () => {
  const denied = open('saga', { token: () => { throw new TokenDenied('signed out'); } });
  await assert.rejects(denied.ready());
  assert.equal(denied.state.status, 'failed');
  let calls = 0;
  const flaky = open('saga', { token: async () => { if (++calls < 3) throw new Error('no luck'); return token({ sub: 'flaky' }); } });
  await flaky.ready();
  assert.equal(calls, 3);
});

it('a token that expires is replaced ahead of time without losing the subscription', async () => {
  let calls = 0;
  const client = open('charisma', { token: () => (calls++, token({ sub: 'short', ttl: '15s' })), refreshInterval: 500, refreshMargin: 13_000 });
  const subscription = client.subscribe('quiet-token');
  await subscription.live();
  await pause(3500);
  assert.ok(calls >= 2, `${calls} calls`);
  assert.equal(subscription.state.status, 'live');
});

it('a refused topic rejects live() and ends its stream with the reason', async () => {
  const client = open('charisma');
  const subscription = client.subscribe('missing-1');
  await assert.rejects(subscription.live());
  assert.equal(subscription.state.status, 'refused');
  await assert.rejects(async () => {
    for await (const event of subscription) void event;
  }, (error) => error.code === 'SESSION_NOT_FOUND');
  assert.throws(() => client.subscribe(''), kind('Invalid'));
  assert.throws(() => client.subscribe('x'.repeat(300)), kind('Invalid'));
});

it('malformed frames are reported and nothing breaks; a listener that throws breaks nothing', async () => {
  const errors = [];
  const client = open('charisma', { onListenerError: (error) => errors.push(error) });
  const subscription = client.subscribe('quiet-bad');
  await subscription.live();
  subscription.on('session_status', () => { throw new Error('mine'); });
  const violation = until(client, (event) => event.type === 'violation');
  await mock.fault({ service: 'charisma', topic: 'quiet-bad', when: 'out' }, { do: 'malformed', text: '{"type":"session_status","token":"secret"' }, 1);
  await mock.emit('charisma', 'quiet-bad', { type: 'session_status', sessionId: 'quiet-bad', status: 'uploading' });
  const { reason, excerpt } = await violation;
  assert.equal(reason, 'not JSON');
  assert.doesNotMatch(excerpt, /secret/);
  const next = until(subscription, (event) => event.type === 'session_status');
  await mock.emit('charisma', 'quiet-bad', { type: 'session_status', sessionId: 'quiet-bad', status: 'uploading', progress: 0.5 });
  assert.equal((await next).progress, 0.5);
  const strange = until(client, (event) => event.type === 'unknown');
  await mock.emit('charisma', 'quiet-bad', { type: 'brand_new', sessionId: 'quiet-bad', x: 1 });
  const { name, data } = await strange;
  assert.deepEqual([name, data.x], ['brand_new', 1]);
  assert.equal(errors[0].message, 'mine');
});

it('commands: not connected, given up, wrong, closed', async () => {
  const client = open('saga', { autoConnect: false });
  await assert.rejects(client.ping(), kind('NotConnected'));
  await assert.rejects(client.sendRaw('x', 1n), kind('Invalid'));
  const gone = new AbortController();
  const waiting = client.ready({ signal: gone.signal });
  gone.abort();
  await assert.rejects(waiting, kind('Cancelled'));
  await assert.rejects(client.ready({ signal: gone.signal }), kind('Cancelled'));
  await client.ready();
  await client.sendRaw('ping', {});
  const last = client.diagnose().text;
  await client.close();
  assert.equal(client.state.status, 'closed');
  assert.match(client.diagnose().text, /closed/);
  assert.ok(last.includes('ready'));
  await assert.rejects(client.ping(), kind('Closed'));
  assert.throws(() => client.subscribe('x'), kind('Closed'));
});

it('a server that does not read ends the connection before more than 2 MiB wait for it', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const sockets = [];
  class Kept extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  }
  try {
    server.on('connection', (_, request) => request.socket.pause());
    await once(server, 'listening');
    const client = open('charisma', { url: `ws://127.0.0.1:${server.address().port}`, auth: 'query', WebSocket: Kept, baseDelay: 60_000, maxDelay: 60_000 });
    await client.ready();
    const waiting = until(client, (event) => event.type === 'state' && event.state.status === 'waiting');
    let most = 0;
    // What the system takes on its way is some megabytes more.
    for (let sent = 0; client.state.status === 'ready' && sent < 256; sent++) {
      await client.sendRaw('note', 'x'.repeat(200_000));
      most = Math.max(most, sockets[0].bufferedAmount);
    }
    assert.match((await waiting).state.why.text, /does not read/);
    assert.ok(most > 0 && most <= 2 * 1024 * 1024, `${most} bytes waited`);
  } finally {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
});

it('a wrong option is an error that names it', () => {
  const wrong = [
    [{ service: 'nope', url: 'ws://localhost' }, 'service'],
    [{ service: 'saga' }, 'url'],
    [{ service: 'saga', url: 'ws://example.com' }, 'url'],
    [{ service: 'saga', url: 'ftp://example.com' }, 'url'],
    [{ service: 'saga', url: 'wss://x', tokn: 'a' }, 'tokn'],
    [{ service: 'saga', url: 'wss://x', maxDelay: '5' }, 'maxDelay'],
    [{ service: 'saga', url: 'wss://x', maxDelay: 1, baseDelay: 5 }, 'maxDelay'],
    [{ service: 'saga', url: 'wss://x', token: '' }, 'token'],
    [{ service: 'saga', url: 'wss://x', auth: 'message' }, 'auth'],
    [{ service: 'charisma', url: 'wss://x', auth: 'header' }, 'auth'],
    [{ service: 'saga', url: 'wss://x', WebSocket: 5 }, 'WebSocket'],
    [undefined, 'options'],
  ];
  for (const [options, field] of wrong) {
    assert.throws(() => connect(options), (error) => error instanceof ConfigError && error.field === field, JSON.stringify(options));
  }
});

it('a second connection displaces the first, which takes over only when told', async () => {
  const same = token({ sub: 'one-and-only' });
  const first = open('charisma', { token: same });
  await first.ready();
  const displaced = until(first, (event) => event.type === 'state' && event.state.status === 'displaced');
  const second = open('charisma', { token: same });
  await second.ready();
  await displaced;
  first.takeOver();
  await first.ready();
  assert.equal(first.state.status, 'ready');
});

it('a slow reader is told how much it missed and gets the present state', async () => {
  const client = open('charisma', { ringEvents: 16 });
  const subscription = client.subscribe('quiet-slow');
  await subscription.live();
  const reader = subscription[Symbol.asyncIterator]();
  for (let n = 0; n <= 40; n++) await mock.emit('charisma', 'quiet-slow', { type: 'session_upload_progress', sessionId: 'quiet-slow', progress: n / 40 });
  await until(subscription, (event) => event.progress === 1).catch(() => undefined);
  const lagged = (await reader.next()).value;
  assert.equal(lagged.type, 'lagged');
  assert.ok(lagged.skipped >= 25, String(lagged.skipped));
  const after = (await reader.next()).value;
  assert.equal(after.type, 'snapshot');
  assert.equal(after.snapshot.progress, 1);
  assert.ok(client.stats().skipped >= 25);
  assert.match(client.diagnose().text, new RegExp(`events skipped ${client.stats().skipped}$`, 'm'));
});

it('nothing is delivered after unsubscribe; handles share one wire subscription', async () => {
  const client = open('charisma');
  const [a, b] = [client.subscribe('quiet-two'), client.subscribe('quiet-two')];
  await Promise.all([a.live(), b.live()]);
  let heard = 0;
  a.on('*', () => heard++);
  const before = heard;
  a.unsubscribe();
  const next = until(b, (event) => event.type === 'session_status');
  await mock.emit('charisma', 'quiet-two', { type: 'session_status', sessionId: 'quiet-two', status: 'uploading' });
  await next;
  assert.equal(heard, before);
  assert.equal(a.snapshot.phase, 'waiting', 'its last picture stays');
  const d = client.subscribe('quiet-two');
  d[Symbol.dispose]();
  const c = client.subscribe('quiet-two');
  const first = (await c[Symbol.asyncIterator]().next()).value;
  assert.equal(first.state?.status, 'live');
});

it('the log tells what happens and never a token', async () => {
  const lines = [];
  const own = token({ sub: 'logged' });
  const client = open('charisma', { token: () => own, debug: (_, text) => lines.push(text), debugFrames: true });
  await client.subscribe('quiet-log').live();
  const all = lines.join('\n');
  assert.match(all, /"status":"ready"/);
  assert.match(all, /frame subscribed of quiet-log/);
  assert.ok(!all.includes(own), 'no token');
});

test('thousands of topics keep apart', { timeout: 110_000 }, async () => {
  let socket;
  class Loopback {
    readyState = 0;
    constructor() {
      socket = this;
      queueMicrotask(() => ((this.readyState = 1), this.onopen()));
    }
    hear(frame) {
      this.onmessage?.({ data: JSON.stringify(frame) });
    }
    send(text) {
      const { action, payload } = JSON.parse(text);
      if (action === 'subscribe') queueMicrotask(() => this.hear({ type: 'subscribed', sessionId: payload.sessionId }));
    }
    close() {}
  }
  // What is awaited here is how they are kept apart, not how fast a busy machine is.
  const many = { messagesPerMinute: 1e6, messagesPerSecond: 1e6, queueEntries: 1e5, dialTimeout: 120_000, confirmTimeout: 120_000 };
  const client = open('charisma', { url: 'ws://localhost', token: 'x', WebSocket: Loopback, ...many });
  const topics = Array.from({ length: 4_120 }, (_, n) => `t${n}`);
  const subscriptions = topics.map((topic) => client.subscribe(topic));
  await Promise.all(subscriptions.map((subscription) => subscription.live()));
  for (const share of [0.25, 0.5]) {
    topics.forEach((sessionId, n) => socket.hear({ type: 'session_status', sessionId, status: 'uploading', message: `of ${sessionId}`, progress: share + n / 1e5 }));
  }
  subscriptions.forEach(({ topic, snapshot }, n) => assert.deepEqual([snapshot.message, snapshot.progress], [`of ${topic}`, 0.5 + n / 1e5]));
});
