// What an event costs through the whole client, against `JSON.parse` and a callback: best of interleaved runs.
// `node --expose-gc bench/events.mjs`, after a build. The socket is one that hands frames over by a call.
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
const COUNT = 4000;
const frames = (size) =>
  Array.from({ length: COUNT }, (_, n) => {
    const frame = { type: 'session_status', sessionId: `session_${n % TOPICS}`, status: 'analysis_in_progress', progress: (n % 1000) / 1000 };
    if (size > 200) frame.message = 'Reading the screenshots of this conversation';
    const missing = size - JSON.stringify(frame).length - 12;
    if (missing > 0) frame.extra = 'x'.repeat(missing);
    return JSON.stringify(frame);
  });

const client = connect({ service: 'charisma', url: 'ws://localhost:1', WebSocket: FakeSocket, token: 'x' });
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
const time = (run, list) => {
  const start = performance.now();
  run(list);
  return ((performance.now() - start) * 1e6) / list.length;
};
const started = performance.now();
console.log('frame     bare     whole     ratio   (ns an event)');
for (const size of [110, 300, 2048]) {
  const list = frames(size);
  let [a, b] = [Infinity, Infinity];
  for (let round = 0; round < 15; round++) {
    a = Math.min(a, time(bare, list));
    b = Math.min(b, time(whole, list));
  }
  console.log(`${String(size).padEnd(6)} ${a.toFixed(0).padStart(7)} ${b.toFixed(0).padStart(9)} ${(b / a).toFixed(2).padStart(9)}`);
}
if (sum === 0 || performance.now() < started) throw new Error('nothing arrived');
await client.close();
