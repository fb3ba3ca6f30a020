// What an event costs through the whole client, against `JSON.parse` and a callback: best of interleaved runs.
// `node --expose-gc bench/events.mjs`, after a build. The socket is one that hands frames over by a call. Beside it the
// same events through socket.io-client, if tests/js is installed.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { connect } from '../dist/node.js';

class FakeSocket {
  static last;
  readyState = 0;
  constructor() {
    FakeSocket.last = this;
    setTimeout(() => {
      this.readyState = 1;
      this.onopen();
    });
  }
  send(text) {
    const { action, payload } = JSON.parse(text);
    if (action === 'subscribe') queueMicrotask(() => this.receive(JSON.stringify({ type: 'subscribed', sessionId: payload.sessionId })));
  }
  close() {}
  receive(data) {
    this.onmessage({ data });
  }
}

const TOPICS = 8;
const COUNT = 1000;
const frames = (size) =>
  Array.from({ length: COUNT }, (_, n) => {
    const frame = { type: 'session_status', sessionId: `session_${n % TOPICS}`, status: 'analysis_in_progress', progress: (n % 1000) / 1000 };
    if (size > 200) frame.message = 'Reading the screenshots of this conversation';
    const missing = size - JSON.stringify(frame).length - 12;
    if (missing > 0) frame.extra = 'x'.repeat(missing);
    return JSON.stringify(frame);
  });

const made = performance.now();
const client = connect({ service: 'charisma', url: 'ws://localhost:1', WebSocket: FakeSocket, token: 'x' });
console.log(`first client: ${(performance.now() - made).toFixed(1)} ms`);
let sum = 0;
const subscriptions = Array.from({ length: TOPICS }, (_, n) => client.subscribe(`session_${n}`));
for (const subscription of subscriptions) subscription.on('session_status', (event) => (sum += event.data.progress));
await Promise.all(subscriptions.map((subscription) => subscription.live()));

const bare = (list) => {
  const listener = (data) => (sum += data.progress);
  for (const text of list) listener(JSON.parse(text));
};
const whole = (list) => {
  const socket = FakeSocket.last;
  for (const text of list) socket.receive(text);
};
/** A connected client of socket.io-client on such a socket, and how a message is handed to it. */
async function other() {
  const folder = fileURLToPath(new URL('../../../tests/js/', import.meta.url));
  if (!existsSync(`${folder}node_modules/socket.io-client`)) return undefined;
  // Its build for browsers takes the global WebSocket.
  const { build } = createRequire(import.meta.url)('esbuild');
  const code = await build({
    stdin: { contents: "export { io } from 'socket.io-client';", resolveDir: folder },
    bundle: true, format: 'esm', platform: 'browser', write: false, logLevel: 'error',
  });
  let last;
  globalThis.WebSocket = class {
    constructor() {
      last = this;
      setTimeout(() => {
        this.onopen();
        this.onmessage({ data: '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}' });
      });
    }
    send(text) {
      if (text === '40') queueMicrotask(() => this.onmessage({ data: '40{"sid":"b"}' }));
    }
    close() {}
  };
  // It looks for the class when it is loaded.
  const { io } = await import(`data:text/javascript;base64,${Buffer.from(code.outputFiles[0].contents).toString('base64')}`);
  const socket = io('ws://localhost:1', { transports: ['websocket'] });
  await new Promise((resolve) => socket.on('connect', resolve));
  socket.on('session_status', (data) => (sum += data.progress));
  return { receive: (data) => last.onmessage({ data }), close: () => socket.close() };
}

const compared = await other();
const time = (run, list) => {
  const start = performance.now();
  run(list);
  return ((performance.now() - start) * 1e6) / list.length;
};
const started = performance.now();
console.log('frame     bare     whole     ratio  socket.io-client     ratio   (ns an event)');
for (const size of [110, 300, 2048]) {
  const list = frames(size);
  const packets = list.map((text) => `42["session_status",${text}]`);
  let [a, b, c] = [Infinity, Infinity, Infinity];
  for (let round = 0; round < 100; round++) {
    a = Math.min(a, time(bare, list));
    b = Math.min(b, time(whole, list));
    if (compared) c = Math.min(c, time((texts) => texts.forEach((text) => compared.receive(text)), packets));
  }
  console.log(`${String(size).padEnd(6)} ${a.toFixed(0).padStart(7)} ${b.toFixed(0).padStart(9)} ${(b / a).toFixed(2).padStart(9)}` + (compared ? `${c.toFixed(0).padStart(18)}${(c / a).toFixed(2).padStart(10)}` : ''));
}
if (sum === 0 || performance.now() < started) throw new Error('nothing arrived');
compared?.close();
await client.close();
