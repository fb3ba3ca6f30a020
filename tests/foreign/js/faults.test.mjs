// Faults of the catalogue as `ws` and `socket.io-client` see them; `py/test_faults.py` has all of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { after, before, beforeEach, describe, test } from 'node:test';
import { io } from 'socket.io-client';
import WebSocket from 'ws';
import { startMock, within } from './support/mock.mjs';

const catalogue = JSON.parse(execFileSync(process.env.MOCK_SERVER, ['faults', '--json'], { encoding: 'utf8' }));
const examples = new Map(catalogue.map(({ name, example }) => [name, example.rule]));

let mock;
before(async () => {
  mock = await startMock();
});
after(() => mock.stop());
beforeEach(() => mock.control('reset', {}));

/** Puts a fault in force as in its example, narrowed down by more to match. */
function put(name, match = {}) {
  const rule = JSON.parse(examples.get(name));
  return mock.control('faults', { ...rule, match: { ...rule.match, ...match } });
}

/** The next event of an emitter, its arguments. */
function next(emitter, event) {
  return within(event, once(emitter, event));
}

/** A WebSocket that has subscribed a topic of Charisma. */
async function subscribed(options) {
  const url = `${mock.url('charisma', 'ws')}/ws?token=${await mock.token()}`;
  const socket = new WebSocket(url, { perMessageDeflate: false, ...options });
  await next(socket, 'open');
  socket.send(JSON.stringify({ action: 'subscribe', payload: { sessionId: 'quiet-1' } }));
  await next(socket, 'message');
  return socket;
}

function emit(more) {
  return mock.emit('charisma', 'quiet-1', { status: 'uploading', ...more });
}

describe('ws', () => {
  const violations = {
    'close-illegal-code': 'WS_ERR_INVALID_CLOSE_CODE',
    'close-one-byte': 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH',
    'reserved-bits': 'WS_ERR_UNEXPECTED_RSV_1',
    'bad-opcode': 'WS_ERR_INVALID_OPCODE',
    masked: 'WS_ERR_UNEXPECTED_MASK',
    'invalid-utf8': 'WS_ERR_INVALID_UTF8',
    'oversize-declared': 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
    oversize: 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH',
  };
  for (const [name, code] of Object.entries(violations)) {
    test(`${name} is ${code}`, async () => {
      await put(name, { service: 'charisma' });
      const socket = await subscribed({ maxPayload: 1 << 20 });
      const failed = within('error', new Promise((resolve) => socket.once('error', resolve)));
      await emit();
      assert.equal((await failed).code, code);
    });
  }

  const endings = { close: 1011, 'close-empty': 1005, truncated: 1006, fin: 1006, 'server-shutdown': 1001 };
  for (const [name, code] of Object.entries(endings)) {
    test(`${name} ends with ${code}`, async () => {
      await put(name, { service: 'charisma' });
      const socket = await subscribed();
      const closed = next(socket, 'close');
      await emit();
      assert.equal((await closed)[0], code);
    });
  }

  for (const status of [302, 401, 403, 404, 429, 500, 502, 503]) {
    test(`http-${status} is told before the upgrade`, async () => {
      await put(`http-${status}`);
      const socket = new WebSocket(`${mock.url('charisma', 'ws')}/ws`);
      const [request, response] = await next(socket, 'unexpected-response');
      assert.equal(response.statusCode, status);
      request.destroy();
    });
  }

  test('fragments arrive as one message, with the pings between them', async () => {
    await put('fragments', { service: 'charisma' });
    const socket = await subscribed();
    let pings = 0;
    socket.on('ping', () => (pings += 1));
    const message = next(socket, 'message');
    await emit();
    const [text] = await message;
    assert.equal(JSON.parse(text).status, 'uploading');
    assert.equal(pings, text.length - 1);
    socket.terminate();
  });

  test('ping-flood is a thousand pings, all of which are answered', async () => {
    await put('ping-flood', { service: 'charisma' });
    const socket = await subscribed();
    let pings = 0;
    socket.on('ping', () => (pings += 1));
    const message = next(socket, 'message');
    await emit();
    await message;
    assert.equal(pings, 1000);
    socket.terminate();
  });

  test('no-pong leaves a ping unanswered', async () => {
    const socket = await subscribed();
    const pong = next(socket, 'pong');
    socket.ping();
    await pong;
    await put('no-pong', { service: 'charisma' });
    socket.on('pong', () => assert.fail('a pong'));
    socket.ping();
    const message = next(socket, 'message');
    await emit();
    await message;
    socket.terminate();
  });

  test('two-in-one are two messages in one read', async () => {
    await put('two-in-one', { service: 'charisma' });
    const socket = await subscribed();
    const seen = [];
    const both = within('both', new Promise((resolve) => {
      socket.on('message', (text) => seen.push(JSON.parse(text).n) === 2 && resolve());
    }));
    await emit({ n: 1 });
    await emit({ n: 2 });
    await both;
    assert.deepEqual(seen, [1, 2]);
    socket.terminate();
  });

  test('binary, empty and deep are what they say', async () => {
    const socket = await subscribed();
    const fits = {
      binary: (bytes, isBinary) => isBinary && JSON.parse(bytes).status === 'uploading',
      empty: (bytes) => bytes.length === 0,
      deep: (bytes) => bytes.includes('['.repeat(100_000)),
    };
    for (const [name, fit] of Object.entries(fits)) {
      await put(name, { service: 'charisma', nth: 1 });
      const message = next(socket, 'message');
      await emit();
      assert.ok(fit(...(await message)), name);
    }
    socket.terminate();
  });
});

for (const service of ['saga', 'docproc']) {
  const [join, joined] = service === 'saga' ? ['join_project', 'joined_project'] : ['subscribe', 'subscribed'];

  const open = async (transports = ['websocket']) => {
    const auth = { token: await mock.token('u1', 'storyteller') };
    const path = `/${service}/socket.io/`;
    return io(mock.base, { path, auth, transports, forceNew: true, reconnection: false, timeout: 2_000 });
  };
  const connected = async (transports) => {
    const socket = await open(transports);
    await heard(socket, 'connect');
    return socket;
  };
  // The clients' emitters are not those of Node.
  const heard = (socket, event) => within(event, new Promise((resolve) => socket.once(event, resolve)));

  describe(`socket.io-client on ${service}`, () => {
    test('connect-error is told as such', async () => {
      await put('connect-error', { service });
      const socket = await open();
      const { message, data } = await heard(socket, 'connect_error');
      assert.deepEqual([message, data], ['Authentication failed', { code: 'AUTH_FAILED' }]);
      socket.disconnect();
    });

    test('disconnect is the server’s wish', async () => {
      const socket = await connected();
      await put('disconnect', { service, type: joined, nth: 1 });
      socket.emit(join, 'quiet-1');
      assert.equal(await heard(socket, 'disconnect'), 'io server disconnect');
    });

    for (const name of ['malformed', 'empty', 'rst', 'takeover']) {
      test(`${name} ends the connection`, async () => {
        const socket = await connected();
        await put(name, { service, type: joined, nth: 1 });
        const gone = heard(socket, 'disconnect');
        socket.emit(join, 'quiet-1');
        const reason = { malformed: 'parse error', empty: 'parse error' }[name];
        assert.ok([reason ?? 'transport close', 'transport error'].includes(await gone));
      });
    }

    test('ack-lost and unknown-type are events that nobody hears', async () => {
      const socket = await connected();
      const seen = [];
      socket.onAny((event) => seen.push(event));
      await put('ack-lost', { service, type: joined, topic: 'quiet-1' });
      await put('unknown-type', { service, type: joined, topic: 'quiet-2', nth: 1 });
      socket.emit(join, 'quiet-1');
      socket.emit(join, 'quiet-2');
      const last = heard(socket, joined);
      socket.emit(join, 'quiet-3');
      await last;
      assert.deepEqual(seen.filter((event) => event !== 'connected').slice(-2), ['no_such_type', joined]);
      socket.disconnect();
    });

    test('wrong-eio and http-503 refuse the handshake of polling', async () => {
      for (const [name, status] of [['wrong-eio', 400], ['http-503', 503]]) {
        await put(name, { service, type: 'polling' });
        const socket = await open(['polling']);
        const error = await heard(socket, 'connect_error');
        assert.equal(error.description, status);
        socket.disconnect();
      }
    });

    test('unknown-sid ends a polling session', async () => {
      const socket = await connected(['polling']);
      await put('unknown-sid', { service });
      const gone = heard(socket, 'disconnect');
      socket.emit(join, 'quiet-1'); // its answer ends the GET that waits
      assert.equal(await gone, 'transport error');
    });

    test('probe-refused leaves the session on polling', async () => {
      await put('probe-refused', { service });
      const socket = await open(['polling', 'websocket']);
      const connection = heard(socket, 'connect');
      await within('upgradeError', new Promise((resolve) => socket.io.engine.once('upgradeError', resolve)));
      await connection;
      assert.equal(socket.io.engine.transport.name, 'polling');
      const confirmed = heard(socket, joined);
      socket.emit(join, 'quiet-1');
      await confirmed;
      socket.disconnect();
    });

    test('ping-timeout is noticed by the client', async () => {
      await mock.control('switches', { [`${service}.ping_interval`]: '400ms', [`${service}.ping_timeout`]: '400ms' });
      const socket = await open();
      const gone = heard(socket, 'disconnect');
      await put('ping-timeout', { service });
      assert.equal(await gone, 'ping timeout');
    });
  });
}
