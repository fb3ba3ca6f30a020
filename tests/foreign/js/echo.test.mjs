// Echo mode through `socket.io-client`, its engine, `ws` and plain requests: what the public test suites of both protocols
// ask of a server, at the timings that they expect.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Socket as Engine } from 'engine.io-client';
import { io } from 'socket.io-client';
import WebSocket from 'ws';
import { startMock, until, within } from './support/mock.mjs';

let mock;
before(async () => {
  mock = await startMock('--echo');
});
after(() => mock.stop());

const heard = (emitter, name) => within(name, new Promise((resolve) => emitter.once(name, (...data) => resolve(data))));
const polling = (path, more = '') => `${mock.base}${path}?EIO=4&transport=polling${more}`;

async function status(url, options) {
  return (await fetch(url, options)).status;
}

/** A session over long-polling: its address, and what its open packet says. */
async function polled(path) {
  const text = await (await fetch(polling(path))).text();
  assert.equal(text[0], '0');
  const open = JSON.parse(text.slice(1));
  return { open, url: polling(path, `&sid=${open.sid}`) };
}
const post = (url, body) => fetch(url, { method: 'POST', body });

/** A WebSocket whose messages wait until they are asked for; the engine's pings are left aside. */
async function opened(path, query = 'EIO=4&transport=websocket') {
  const socket = new WebSocket(`${mock.base.replace('http', 'ws')}${path}?${query}`);
  const messages = [];
  let arrive = () => {};
  socket.on('message', (data, isBinary) => {
    if (!isBinary && data.toString() === '2') return socket.send('3');
    messages.push(isBinary ? data : data.toString());
    arrive();
  });
  const closed = heard(socket, 'close');
  const next = () =>
    within('a message', new Promise((resolve) => {
      arrive = () => messages.length > 0 && resolve(messages.shift());
      arrive();
    }));
  return { socket, next, closed, open: JSON.parse((await next()).slice(1)) };
}
async function connected() {
  const peer = await opened('/socket.io/');
  peer.socket.send('40');
  assert.match(await peer.next(), /^40\{"sid":/);
  assert.equal(await peer.next(), '42["auth",{}]');
  return peer;
}

for (const path of ['/engine.io/', '/socket.io/']) {
  describe(`the engine at ${path}`, () => {
    test('both transports open with the timings of the suites', async () => {
      const timings = { pingInterval: 300, pingTimeout: 200, maxPayload: 1_000_000 };
      const { open } = await polled(path);
      assert.deepEqual(open, { sid: open.sid, upgrades: ['websocket'], ...timings });
      const peer = await opened(path);
      assert.deepEqual(peer.open, { sid: peer.open.sid, upgrades: [], ...timings });
      peer.socket.close();
    });

    test('a handshake that is wrong is refused', async () => {
      for (const query of ['transport=polling', 'EIO=abc&transport=polling', 'EIO=4', 'EIO=4&transport=abc', 'EIO=4&transport=websocket'])
        assert.equal(await status(`${mock.base}${path}?${query}`), 400, query);
      for (const method of ['POST', 'PUT']) assert.equal(await status(polling(path), { method }), 400, method);
      for (const query of ['transport=websocket', 'EIO=abc&transport=websocket', 'EIO=4', 'EIO=4&transport=abc']) {
        const socket = new WebSocket(`${mock.base.replace('http', 'ws')}${path}?${query}`);
        await heard(socket, 'error');
      }
    });

    test('pings come, and who answers none is forgotten', async () => {
      const { url } = await polled(path);
      let answered;
      for (let n = 0; n < 3; n += 1) {
        assert.equal(await (await fetch(url)).text(), '2');
        answered = Date.now();
        assert.equal((await post(url, '3')).status, 200);
      }
      // To ask is no answer: the next ping comes, stays alone, and interval and timeout after the last answer it is over.
      await within('the end', until('it is forgotten', async () => (await status(url)) === 400));
      assert.ok(Date.now() - answered >= 499);

      const socket = new WebSocket(`${mock.base.replace('http', 'ws')}${path}?EIO=4&transport=websocket`);
      const begun = Date.now();
      await heard(socket, 'close');
      assert.ok(Date.now() - begun >= 400);
    });

    test('a session ends by its client', async () => {
      const { url } = await polled(path);
      const [get] = await Promise.all([fetch(url), post(url, '1')]);
      assert.deepEqual([get.status, await get.text()], [200, '6']);
      assert.equal(await status(url), 400);
      const peer = await opened(path);
      peer.socket.send('1');
      await peer.closed;
    });

    test('a session goes over to WebSocket once', async () => {
      const { open, url } = await polled(path);
      const upgrade = `EIO=4&transport=websocket&sid=${open.sid}`;
      const socket = new WebSocket(`${mock.base.replace('http', 'ws')}${path}?${upgrade}`);
      await heard(socket, 'open');
      const probe = heard(socket, 'message');
      socket.send('2probe');
      assert.equal((await probe).toString().slice(0, 6), '3probe');
      socket.send('5');
      const echo = path === '/engine.io/' ? ['4hello', '4hello'] : ['40', '40'];
      const answer = new Promise((resolve) => socket.on('message', (data) => data.toString().startsWith(echo[1]) && resolve()));
      socket.send(echo[0]);
      await within('an answer', answer);
      assert.equal(await status(url), 400, 'polling is over');
      const second = new WebSocket(`${mock.base.replace('http', 'ws')}${path}?${upgrade}`);
      second.on('error', () => {}); // it may be refused, or closed once it is open
      await heard(second, 'close');
      assert.equal(socket.readyState, WebSocket.OPEN);
      socket.terminate();
    });
  });
}

describe('the engine alone', () => {
  test('texts and bytes come back over polling', async () => {
    const { url } = await polled('/engine.io/');
    for (const payload of ['4hello', '4test1\x1e4test2\x1e4test3', '4test\x1ebAQIDBA==']) {
      assert.equal(await (await post(url, payload)).text(), 'ok');
      const got = [];
      while (got.length < payload.split('\x1e').length) {
        for (const packet of (await (await fetch(url)).text()).split('\x1e')) packet === '2' ? await post(url, '3') : got.push(packet);
      }
      assert.equal(got.join('\x1e'), payload);
    }
  });

  test('texts and bytes come back over WebSocket', async () => {
    const peer = await opened('/engine.io/');
    peer.socket.send('4hello');
    assert.equal(await peer.next(), '4hello');
    peer.socket.send(Buffer.from([1, 2, 3, 4]));
    assert.deepEqual([...(await peer.next())], [1, 2, 3, 4]);
    peer.socket.send('abc');
    await peer.closed;
  });

  test('a payload that is none, and a second GET, end the session', async () => {
    const first = await polled('/engine.io/');
    assert.equal((await post(first.url, 'abc')).status, 400);
    assert.equal(await status(first.url), 400);
    const { url } = await polled('/engine.io/');
    await Promise.all([fetch(url), fetch(url)]);
    assert.equal(await status(url), 400);
  });

  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    test(`its own client (${transports}) lives through pings and hears itself`, async () => {
      const engine = new Engine(mock.base, { path: '/engine.io/', transports });
      await heard(engine, 'open');
      for (let pings = 0; pings < 3; pings += 1) await heard(engine, 'ping');
      for (const said of ['hello', 'größer €']) {
        const back = heard(engine, 'data');
        engine.send(said);
        assert.deepEqual(await back, [said]);
      }
      assert.equal(engine.transport.name, transports.at(-1));
      engine.close();
    });
  }
});

describe('Socket.IO', () => {
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    test(`its own client (${transports}) is answered in both namespaces`, async () => {
      const manager = { path: '/socket.io/', transports, forceNew: true, reconnection: false };
      for (const [namespace, auth] of [['/', { token: '123' }], ['/custom', { a: [1] }]]) {
        const socket = io(mock.base + namespace, { ...manager, auth });
        assert.deepEqual(await heard(socket, 'auth'), [auth]);
        const back = heard(socket, 'message-back');
        socket.emit('message', 1, '2', { 3: [true] });
        assert.deepEqual(await back, [1, '2', { 3: [true] }]);
        const bytes = heard(socket, 'message-back');
        socket.emit('message', Buffer.from([1, 2, 3]), { in: Buffer.from([4, 5]) });
        const [first, second] = await bytes;
        assert.deepEqual([[...first], [...second.in]], [[1, 2, 3], [4, 5]]);
        assert.deepEqual(await socket.timeout(20_000).emitWithAck('message-with-ack', 1, 'x'), 1);
        assert.deepEqual([...(await socket.timeout(20_000).emitWithAck('message-with-ack', Buffer.from([7])))], [7]);
        const gone = heard(socket, 'disconnect');
        socket.disconnect();
        await gone;
      }
      const stranger = io(`${mock.base}/random`, manager);
      assert.equal((await heard(stranger, 'connect_error'))[0].message, 'Invalid namespace');
      stranger.io.engine.close();
    });
  }

  test('an acknowledgement has its id and all arguments', async () => {
    const peer = await connected();
    peer.socket.send('42456["message-with-ack",1,"2",{"3":[false]}]');
    assert.equal(await peer.next(), '43456[1,"2",{"3":[false]}]');
    peer.socket.terminate();
  });

  test('a namespace is left and the other one stays; the engine outlives both', async () => {
    const peer = await connected();
    peer.socket.send('40/custom,{"key":"abc"}');
    assert.match(await peer.next(), /^40\/custom,\{"sid":/);
    assert.equal(await peer.next(), '42/custom,["auth",{"key":"abc"}]');
    peer.socket.send('41/custom');
    peer.socket.send('42["message","still here"]');
    assert.equal(await peer.next(), '42["message-back","still here"]');
    peer.socket.send('41');
    const ping = new Promise((resolve) => peer.socket.on('message', (data) => data.toString() === '2' && resolve()));
    await within('a ping', ping);
    peer.socket.terminate();
  });

  test('what breaks the protocol ends the connection', async () => {
    for (const bad of ['4abc', '42{}', '42abc["message-with-ack",1]', '42/random,["message"]']) {
      const peer = await connected();
      peer.socket.send(bad);
      await peer.closed;
    }
    for (const bad of ['4abc', '42["message"]']) {
      const peer = await opened('/socket.io/');
      peer.socket.send(bad);
      await peer.closed;
    }
  });

  test('who says nothing at all is not kept for ever', async () => {
    await mock.control('switches', { 'echo.connect_timeout': '100ms' });
    const peer = await opened('/socket.io/');
    await peer.closed;
    await mock.control('reset', {});
  });
});
