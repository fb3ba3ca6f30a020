// The client of the mock server's control API.
import assert from 'node:assert/strict';
import { connect } from 'steadfast';
import { Control, ControlError } from 'steadfast/testing';
import { afterAll, beforeAll, test } from 'vitest';
import WebSocket from 'ws';
import { startMock } from '../support/mock.mjs';

let mock;
let control;
beforeAll(async () => {
  mock = await startMock();
  control = new Control(`http://127.0.0.1:${mock.port}/`);
});
afterAll(() => mock.stop());

test('a client is watched, broken and judged', async () => {
  const token = await control.token('u1', { ttl: '5m' });
  await control.own('charisma', 'quiet-1', 'u1', ['u2']);
  const client = connect({ service: 'charisma', url: control.url('charisma').replace('http', 'ws'), token });
  const topic = client.subscribe('quiet-1');
  await control.waitForOpen(1, { service: 'charisma', topic: 'quiet-1' });
  const [confirmed] = await control.waitFor({ topic: 'quiet-1', type: 'subscribed', direction: 'out' });
  assert.equal(confirmed.user, 'u1');
  assert.equal(await control.emit('charisma', 'quiet-1', { status: 'processing', progress: 40 }), 1);
  const [frame] = await control.waitFor({ topic: 'quiet-1', progress: 40, after: confirmed.seq });
  assert.ok(frame.detail.includes('40'));
  assert.deepEqual((await control.users()).map((one) => one.user), ['u1']);
  assert.equal((await control.topics()).find((one) => one.topic === 'quiet-1').owner, 'u1');

  assert.equal(await control.drop({ service: 'charisma', how: 'rst' }), 1);
  await control.waitFor({ service: 'charisma', what: 'open', count: 2, within: '20s' });
  await control.waitFor({ topic: 'quiet-1', what: 'subscribed', count: 2, within: '20s' });
  assert.deepEqual((await control.connections()).map((one) => one.number), [2]);
  const report = await control.report();
  assert.deepEqual(report.verdicts.filter((one) => !one.passed), []);
  assert.equal(report.connects.charisma.all, 2);
  topic.unsubscribe?.();
  await client.close();
  await control.reset();
});

test('what is wrong in a client is found with its frames', async () => {
  const socket = new WebSocket(control.url('charisma').replace('http', 'ws') + `/ws?token=${await control.token('u3')}`);
  socket.onopen = () => socket.send('nonsense');
  await control.waitFor({ what: 'in', contains: 'nonsense' });
  const { verdicts } = await control.report();
  const unknown = verdicts.find((one) => one.verdict === 'unknown_message');
  assert.equal(unknown.passed, false);
  assert.equal(unknown.findings[0].proof[0].detail, 'nonsense');
  assert.equal(await control.kick('u3'), 1);
  await control.waitFor({ what: 'close' });
  await control.reset();
});

test('faults, switches and the clock', async () => {
  const { id } = await control.fault({ action: { do: 'refuse', status: 503 }, times: 1 });
  assert.equal((await control.faults())[0].id, id);
  assert.equal(await control.clearFaults(id), 1);
  await control.set({ 'charisma.replay': 'on' });
  assert.equal((await control.clock({ stopped: true })).stopped, true);
  await control.flow('saga', [{ wait: 1 }]);
  await assert.rejects(control.confirm('charisma', 't'), (error) => error.status === 404 && /no topic/.test(error.message));
  await control.own('charisma', 't', 'u1');
  await control.confirm('charisma', 't');
  assert.equal((await control.fault('http-503')).action.status, 503);
  assert.equal((await control.services()).length, 5);
  assert.equal(await control.restart({ for: 0 }), 0);
  await control.reset();
});

test('errors say what to change', async () => {
  await assert.rejects(control.set({ 'charisma.repaly': 'on' }), (error) => error instanceof ControlError && error.status === 400 && /charisma\.replay/.test(error.message));
  await assert.rejects(control.waitFor({ what: 'open', count: 99, within: 10 }), (error) => error.status === 504 && /of 99/.test(error.message));
  await assert.rejects(new Control('http://127.0.0.1:9').report(), (error) => error.status === 0 && /mock server running/.test(error.message));
  assert.throws(() => new Control('localhost:8090'), /http:\/\/127\.0\.0\.1:8090/);
  const signal = AbortSignal.abort();
  await assert.rejects(control.report({ signal }), { name: 'AbortError' });
});

test('every address that is described has a method here, and the other way round', async () => {
  const document = await (await fetch(`http://127.0.0.1:${mock.port}/_mock/openapi.json`)).json();
  const asked = new Set();
  const real = globalThis.fetch;
  globalThis.fetch = (url, init) => {
    const path = new URL(url).pathname.replace(/\/\d+$/, '/{id}');
    asked.add(`${init.method} ${path}`);
    return Promise.resolve(new Response('{}'));
  };
  try {
    const spy = new Control('http://mock');
    const args = { token: ['u'], emit: ['saga', 't', {}], own: ['saga', 't', null], confirm: ['saga', 't'], fault: [{}], set: [{}], waitFor: [{}], waitForOpen: [1], kick: ['u'], clock: [{}], flow: ['saga', []] };
    for (const name of Object.getOwnPropertyNames(Control.prototype)) {
      if (name !== 'constructor' && name !== 'url') await spy[name](...(args[name] ?? []));
    }
    await spy.clearFaults(1);
  } finally {
    globalThis.fetch = real;
  }
  const described = Object.entries(document.paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  // For people, for other programs, and one that `clock` and `set` answer as well.
  const left = ['GET /_mock/events', 'GET /_mock/metrics', 'GET /_mock/openapi.json', 'GET /_mock/switches', 'GET /_mock/clock'];
  assert.deepEqual([...asked].sort(), described.filter((one) => !left.includes(one)).sort());
});
