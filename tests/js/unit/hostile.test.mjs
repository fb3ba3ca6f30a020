// What a server, a token, a fetch or a logger may do to a client: it goes on, or it ends, and never in between.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { connect } from 'steadfast';
import { onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { open, serve } from '../support/charisma.mjs';
import { startMock, token, until } from '../support/mock.mjs';

const it = (name, run) => test(name, { timeout: 20_000 }, run);
async function come(passes) {
  for (const end = Date.now() + 8000; !passes(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    assert.ok(Date.now() < end, `it did not come about: ${passes}`);
  }
}

it('a frame of many levels is an event as any other, also when its topic becomes stale', async () => {
  const depth = 20_000;
  const deep = `{"type":"session_status","sessionId":"deep","status":"transcribing","x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const server = await serve((socket) => socket.send(deep));
  const client = open({ url: server.url });
  const seen = [];
  client.on('*', (event) => seen.push(event.type === 'state' ? event.state.status : event.type));
  const subscription = client.subscribe('deep');
  await until(subscription, (event) => event.type === 'session_status');
  const stale = until(subscription, (event) => event.type === 'snapshot');
  for (const socket of server.sockets) socket.terminate();
  await stale;
  await until(subscription, (event) => event.type === 'gap');
  assert.equal(client.state.status, 'ready');
  assert.ok(seen.includes('waiting') || seen.includes('connecting'), seen.join());
});

it('a fetched body of many levels is an event as any other', async () => {
  const mock = await startMock();
  onTestFinished(mock.stop);
  const depth = 20_000;
  const body = `{"analysisId":"quiet-deep","status":"processing","x":${'['.repeat(depth)}${']'.repeat(depth)}}`;
  const own = token({ sub: 'fetches' });
  const client = open({ service: 'devcontext', url: mock.url('devcontext'), token: () => own, fetchOnStage: true, fetch: async () => new Response(body) });
  const subscription = client.subscribe('quiet-deep');
  await subscription.live();
  const fetched = until(subscription, (event) => event.type === 'fetched');
  await mock.emit('devcontext', 'quiet-deep', { analysisId: 'quiet-deep', stage: 'project_review', completedStages: ['project_review'], progress: 25, dataAvailable: true }, 'stage_completed');
  assert.equal((await fetched).data.status, 'processing');
});

it('a token of any length is hidden in the log, however it is spelled, and stops nothing', async () => {
  const server = await serve();
  for (const length of [64, 3000, 60_000]) {
    const secret = `tok+/~${'abcdefgh%3D/+='.repeat(length / 10)}`;
    const lines = [];
    const client = open({ url: server.url, token: () => secret, auth: 'message', debug: (_, line) => lines.push(line), debugFrames: true });
    const subscription = client.subscribe('log');
    await subscription.live();
    const once = encodeURIComponent(secret);
    const spelled = [secret, once, encodeURIComponent(once), JSON.stringify(JSON.stringify(secret))];
    for (const [at, text] of spelled.entries()) {
      const heard = until(subscription, (event) => event.data?.at === at);
      server.say('log', { at, name: `x${text}y` });
      await heard;
    }
    const log = lines.join('\n');
    assert.equal((log.match(/session_status of log/g) ?? []).length, spelled.length);
    assert.doesNotMatch(log, /abcdefgh/, `${length}: a token is in the log`);
    await client.close();
  }
});

it('a log line with a huge token takes no time', async () => {
  const server = await serve();
  const client = open({ url: server.url, token: () => 'x'.repeat(1_000_000), debug: () => {} });
  const asked = performance.now();
  let longest = 0;
  let last = asked;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  await come(() => client.state.status === 'failed' || client.state.status === 'waiting' || client.state.status === 'ready');
  clearInterval(timer);
  assert.ok(longest < 1500, `${longest} ms`);
});

it('close() by what the client calls closes it: a provider, fetch, a logger, the class of sockets', async () => {
  const server = await serve();
  const sockets = [];
  class Kept extends WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }
  }
  const closes = {
    token: (close) => ({ token: () => (close(), 'a-token') }),
    logger: (close) => ({ debug: (_, line) => /opens/.test(line) && close() }),
    logged: (close) => ({ debug: (_, line) => /ready/.test(line) && close() }),
    socket: (close) => ({ WebSocket: class extends Kept { constructor(...given) { super(...given); close(); } } }),
    fetch: (close) => ({ service: 'docproc', url: 'http://127.0.0.1:1', fetch: () => (close(), new Promise(() => {})) }),
  };
  for (const [name, options] of Object.entries(closes)) {
    sockets.length = 0;
    let client;
    let closed;
    client = open({ url: server.url, autoConnect: false, WebSocket: Kept, ...options(() => (closed = client.close())) });
    const states = [];
    client.on('state', ({ state }) => states.push(state.status));
    if (name === 'fetch') await assert.rejects(client.fetchSession('a'), { kind: 'Closed' });
    else client.connect();
    await come(() => closed !== undefined);
    await closed;
    assert.equal(client.state.status, 'closed', name);
    assert.equal(states.at(-1), 'closed', name);
    assert.equal(states.filter((status) => status === 'closed').length, 1, name);
    await come(() => sockets.every((socket) => socket.readyState === 3));
  }
});

it('a process with no topic ends, also when its connection opens late, and nothing warns', async () => {
  const server = await serve();
  const run = (rest) => `
    import { connect } from 'steadfast';
    import { WebSocket } from 'ws';
    const client = connect({ service: 'charisma', url: '${server.url}', token: async () => 'a-token', WebSocket });
    ${rest}`;
  const cwd = new URL('..', import.meta.url);
  const node = (rest) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', run(rest)], { cwd, timeout: 8000 });
  assert.equal((await node('')).stderr, '');
  const many = `
    await client.ready();
    for (let at = 0; at < 30; at++) await client.subscribe('t' + at).live();
    await client.close();`;
  assert.equal((await node(many)).stderr, '');
  const again = `
    const subscription = client.subscribe('a');
    await subscription.live();
    subscription.unsubscribe();`;
  assert.equal((await node(again)).stderr, '');
});
