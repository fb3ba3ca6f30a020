// What the programs for the official client share.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { io } = createRequire(join(process.cwd(), 'x.js'))('socket.io-client');
const LIMIT = 20_000;

const orders = {
  websocket: ['websocket', 'polling'],
  polling: ['polling'],
  upgrade: ['polling', 'websocket'],
};

/** Stops with exit code 1 if something is not as documented. */
export function check(holds, what) {
  if (holds) return;
  console.error(`failed: ${what}`);
  process.exit(1);
}

export function connect(url, mode, auth) {
  check(mode in orders, `no mode ${mode}`);
  const base = new URL(url);
  const path = `${base.pathname.replace(/\/$/, '')}/socket.io/`;
  return io(base.origin, { path, auth, transports: orders[mode], reconnection: false, forceNew: true });
}

/** The next event of this name, the one that fits if there is a condition. */
export function once(socket, name, fits = () => true) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => check(false, `no ${name} in time`), LIMIT);
    const listener = (data) => {
      if (!fits(data)) return;
      clearTimeout(timer);
      socket.off(name, listener);
      resolve(data);
    };
    socket.on(name, listener);
  });
}

export function transportOf(socket) {
  return socket.io.engine.transport.name;
}

/** A JSON exchange that must succeed. */
export async function rest(url, options) {
  const answer = await fetch(url, options);
  check(answer.ok, `${url}: HTTP ${answer.status}`);
  return answer.json();
}

/** Says goodbye and ends the program. */
export async function leave(socket) {
  const gone = once(socket, 'disconnect');
  socket.disconnect();
  await gone;
  console.log('as documented');
  process.exit(0);
}
