// Options that are wrong are named; those that give pairs arrive.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createContext, runInContext } from 'node:vm';
import { ConfigError, connect } from 'steadfast';
import { afterEach, test } from 'vitest';
import { WebSocketServer } from 'ws';

const ends = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
const it = (name, run) => test(name, { timeout: 12_000 }, run);
function open(options) {
  const client = connect({ service: 'charisma', url: 'ws://127.0.0.1:1', token: 'a-token', autoConnect: false, ...options });
  ends.push(() => client.close());
  return client;
}

it('a wrong option is an error that names it', () => {
  const wrong = {
    ringEvents: [1.5, 0, -1, 2 ** 32, NaN, '5'],
    ringBytes: [1.5, 0, -1, 2 ** 40, Infinity, '5'],
    query: [5, 'a=b', null, ['a', 'b'], ['ab'], [['a']], [['a', 5]], new Map([['a', 5]]), { a: 5 }, new Date(), new URL('http://a/'), () => {}, { a: 'b\0' }],
    headers: [[5], new Map([[5, 'a']])],
    connectFields: [new (class Fields { a = 5; })()],
    autoConnect: ['false', 0, null],
    debug: ['loud', 1, {}],
    debugFrames: ['x', 1],
    WebSocket: [() => {}, {}, 5, async () => {}],
  };
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(() => open({ [field]: value }), (error) => error instanceof ConfigError && error.field === field, `${field}: ${String(value)}`);
    }
  }
});

it('pairs may be an object of this page or another, or anything that gives pairs', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  ends.push(() => server.close());
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${server.address().port}`;
  const given = [
    { tenant: '7' }, Object.assign(Object.create(null), { tenant: '7' }), runInContext("({ tenant: '7' })", createContext({})),
    new URLSearchParams('tenant=7'), new Map([['tenant', '7']]), new Headers({ tenant: '7' }), [['tenant', '7']],
  ];
  for (const query of given) {
    const upgrade = once(server, 'connection');
    const client = open({ url, query, headers: query, connectFields: query, autoConnect: true, ringEvents: 1, ringBytes: 1, debug: false, debugFrames: false });
    const [socket, request] = await upgrade;
    assert.equal(new URL(request.url, url).searchParams.get('tenant'), '7');
    socket.terminate();
    await client.close();
  }
});
