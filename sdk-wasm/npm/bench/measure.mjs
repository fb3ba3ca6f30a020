// What an event costs through the whole client, against `JSON.parse` and a callback: best of interleaved runs. The
// socket is one that hands frames over by a call; the events it hands over were made before, as a browser makes them.

const TOPICS = 8;
const COUNT = 1000;
let sum = 0;

/** Frames of about this size. What is missing is one long text, the quickest of all to parse, or a list of small parts. */
const frames = (size, parts) =>
  Array.from({ length: COUNT }, (_, n) => {
    const frame = { type: 'session_status', sessionId: `session_${n % TOPICS}`, status: 'analysis_in_progress', progress: (n % 1000) / 1000 };
    if (size > 200) frame.message = 'Reading the screenshots of this conversation';
    const missing = size - JSON.stringify(frame).length - 12;
    if (missing > 0) frame.extra = parts ? Array.from({ length: Math.round(missing / 52) }, (_, part) => ({ speaker: part % 2, start: part * 1.5 + 0.25, text: `part ${part} of it` })) : 'x'.repeat(missing);
    return JSON.stringify(frame);
  });

/** This client, with a subscription to each topic. */
async function own(connect) {
  let last;
  class FakeSocket {
    readyState = 0;
    constructor() {
      last = this;
      setTimeout(() => {
        this.readyState = 1;
        this.onopen();
      });
    }
    send(text) {
      const { action, payload } = JSON.parse(text);
      if (action === 'subscribe') queueMicrotask(() => this.onmessage({ data: JSON.stringify({ type: 'subscribed', sessionId: payload.sessionId }) }));
    }
    close() {}
  }
  const client = connect({ service: 'charisma', url: 'ws://localhost:1', WebSocket: FakeSocket, token: 'x' });
  const subscriptions = Array.from({ length: TOPICS }, (_, n) => client.subscribe(`session_${n}`));
  for (const subscription of subscriptions) subscription.on('session_status', (event) => (sum += event.data.progress));
  await Promise.all(subscriptions.map((subscription) => subscription.live()));
  const run = (events) => {
    for (const event of events) last.onmessage(event);
  };
  return { run, close: () => client.close() };
}

/** The same events through socket.io-client, whose build for browsers takes the global WebSocket when it is loaded. */
async function other(load) {
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
  const { io } = await load();
  const socket = io('ws://localhost:1', { transports: ['websocket'] });
  await new Promise((resolve) => socket.on('connect', resolve));
  socket.on('session_status', (data) => (sum += data.progress));
  const run = (events) => {
    for (const event of events) last.onmessage(event);
  };
  return { run, close: () => socket.close() };
}

const bare = (list) => {
  const listener = (data) => (sum += data.progress);
  for (const text of list) listener(JSON.parse(text));
};

const time = (run, list) => {
  const start = performance.now();
  run(list);
  return ((performance.now() - start) * 1e6) / list.length;
};

/** How long it takes to make the first client: the module is unpacked and compiled for it. In ms. */
export function first(connect) {
  const made = performance.now();
  const client = connect({ service: 'charisma', url: 'ws://localhost:1', WebSocket: class { close() {} }, token: 'x' });
  const took = performance.now() - made;
  void client.close();
  return took;
}

/** The table, as text. `stamped`: events say when they came, as those of a browser do. `load` gives socket.io-client. */
export async function measure(connect, { stamped, load }) {
  const client = await own(connect);
  const compared = load && (await other(load));
  const lines = ['frame          bare     whole     ratio  socket.io-client     ratio   (ns an event)'];
  for (const [size, parts] of [[110], [300], [2048], [2048, ' in parts']]) {
    const list = frames(size, parts);
    const timeStamp = performance.now();
    const event = (data) => (stamped ? { data, timeStamp } : { data });
    const events = list.map(event);
    const packets = list.map((text) => event(`42["session_status",${text}]`));
    let [a, b, c] = [Infinity, Infinity, Infinity];
    for (let round = 0; round < 100; round++) {
      a = Math.min(a, time(bare, list));
      b = Math.min(b, time(client.run, events));
      if (compared) c = Math.min(c, time(compared.run, packets));
    }
    const theirs = compared ? `${c.toFixed(0).padStart(18)}${(c / a).toFixed(2).padStart(10)}` : '';
    lines.push(`${`${size}${parts ?? ''}`.padEnd(13)}${a.toFixed(0).padStart(7)} ${b.toFixed(0).padStart(9)} ${(b / a).toFixed(2).padStart(9)}${theirs}`);
  }
  compared?.close();
  await client.close();
  if (!(sum > 0)) throw new Error('nothing arrived');
  return lines.join('\n');
}
