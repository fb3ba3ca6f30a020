// An upgrade that a server refuses by an HTTP status, which `ws` tells and a browser hides.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'steadfast';
import { afterEach, test } from 'vitest';
import { WebSocket } from 'ws';
import { until } from '../support/wait.mjs';

const ends = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});
async function refuse(head) {
  const server = createServer();
  const sockets = new Set();
  let refused = 0;
  server.on('upgrade', (request, socket) => {
    refused++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('close', () => sockets.delete(socket));
    socket.resume();
    // The connection stays: it is the client who has to end it.
    socket.write(`HTTP/1.1 ${head}\r\nContent-Length: 100\r\n\r\nno`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `ws://127.0.0.1:${server.address().port}`, sockets, refused: () => refused };
}
function open(options) {
  const client = connect({ service: 'charisma', baseDelay: 20, maxDelay: 50, WebSocket, ...options });
  ends.push(() => client.close());
  return client;
}
const it = (name, run) => test(name, { timeout: 12_000 }, run);
const state = (client, status) => until(client, (event) => event.type === 'state' && event.state.status === status).then((event) => event.state);

it('401: another token is asked for, then it is over, and says why', async () => {
  const server = await refuse('401 Unauthorized');
  const asked = [];
  const client = open({ url: server.url, token: ({ force }) => (asked.push(force), `token-${asked.length}`) });
  const { why } = await state(client, 'failed');
  assert.deepEqual([why.kind, why.code], ['AuthFailed', '401']);
  assert.match(why.help, /token is valid/);
  assert.deepEqual(asked, [false, true]);
  await Promise.all([...server.sockets].map((socket) => once(socket, 'close')));
  await assert.rejects(client.ready(), /401/);
});

it('404: it is over at once, with a hint', async () => {
  const server = await refuse('404 Not Found');
  const client = open({ url: server.url, token: 'a-token' });
  const { why } = await state(client, 'failed');
  assert.equal(why.code, '404');
  assert.match(why.help, /URL/);
  assert.equal(server.refused(), 1);
});

it('503: it is tried again, not before Retry-After', async () => {
  const server = await refuse('503 Service Unavailable\r\nRetry-After: 40');
  const client = open({ url: server.url, token: 'a-token' });
  const { why, until: next } = await state(client, 'waiting');
  assert.deepEqual([why.kind, why.code], ['Overloaded', '503']);
  assert.ok(next - Date.now() > 30_000, `${next - Date.now()} ms`);
});
