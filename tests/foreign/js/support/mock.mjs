// The mock server as a program of its own, for tests in JavaScript.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const program = process.env.MOCK_SERVER;
if (!program) throw new Error('MOCK_SERVER is not set: run `cargo xtask test foreign`, which builds the server');

/** How long anything may take before a test gives up on it. */
export const PATIENCE = 20_000;

/** A running server on a free port, with short steps. Stop it in an `after` hook. */
export async function startMock(...options) {
  const child = spawn(program, ['serve', '--port', '0', '--step', '40ms', ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface(child.stdout);
  const base = await new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const found = /^control API at (\S+)\/_mock\//.exec(line);
      if (found) resolve(found[1]);
    });
    child.once('exit', (code) => reject(new Error(`the mock server ended with ${code}`)));
    child.once('error', reject);
  });
  return new Mock(child, base);
}

class Mock {
  #child;

  constructor(child, base) {
    this.#child = child;
    this.base = base;
  }

  /** A service's base address with another scheme: `http://127.0.0.1:…/charisma`. */
  url(service, scheme = 'http') {
    return `${this.base.replace(/^http/, scheme)}/${service}`;
  }

  /** Asks the control API. */
  async control(path, body, method = body === undefined ? 'GET' : 'POST') {
    const answer = await fetch(`${this.base}/_mock/${path}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    });
    const value = await answer.json();
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status} ${JSON.stringify(value)}`);
    return value;
  }

  async token(sub = 'u1', role, ttl = '1h') {
    return (await this.control('tokens', { sub, ttl, ...(role && { role }) })).token;
  }

  /** Sends something to all subscribers of a topic. */
  emit(service, topic, data, event) {
    return this.control('emit', { service, topic, data, ...(event && { event }) });
  }

  /** Puts a fault in force: so many times, or `null` for every time. */
  fault(match, action, times = 1) {
    return this.control('faults', { match, action, times });
  }

  /** Ends all open connections of a service without a word, as a lost network does. */
  cut(service) {
    return this.fault({ service, when: 'now' }, { do: 'drop', how: 'rst' }, null);
  }

  stop() {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill();
    return gone;
  }
}

/** Waits until something holds. */
export async function until(what, holds) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await holds();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not in ${PATIENCE} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits for a promise, but not for ever. */
export function within(what, promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not in ${PATIENCE} ms`)), PATIENCE);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}
