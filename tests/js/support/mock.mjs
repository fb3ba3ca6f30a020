// The mock server for a test file: its own process on a free port.
import { spawn, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? `${root}/target`;
const binary = process.env.STEADFAST_MOCK ?? `${target}/debug/mock-server`;
if (!existsSync(binary)) throw new Error(`${binary} is missing: cargo build -p steadfast-mock-server, or set STEADFAST_MOCK`);

/** A token for the mock's users. */
export function token({ sub = 'u1', role = 'facilitator', ttl = '1h' } = {}) {
  return execFileSync(binary, ['token', '--sub', sub, '--role', role, '--ttl', ttl]).toString().trim();
}

/** Every fault that the mock knows: its level, its name, and a rule. */
export const catalogue = () => JSON.parse(execFileSync(binary, ['faults', '--json']).toString());

/** Starts a server; `stop()` ends it. Its steps are 60 ms unless the options say otherwise. */
export async function startMock(...options) {
  const step = options.includes('--step') ? [] : ['--step', '60ms'];
  const child = spawn(binary, ['serve', '--port', '0', ...step, ...options], { stdio: ['ignore', 'pipe', 'ignore'] });
  const port = await new Promise((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (data) => {
      out += data;
      const found = /127\.0\.0\.1:(\d+)/.exec(out);
      if (found) resolve(Number(found[1]));
    });
    child.on('exit', (code) => reject(new Error(`the mock server ended with ${code}: ${out}`)));
  });
  const post = async (path, body) => {
    const response = await fetch(`http://127.0.0.1:${port}/_mock/${path}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: HTTP ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  return {
    port,
    url: (service) => `http://127.0.0.1:${port}/${service}`,
    emit: (service, topic, data, event) => post('emit', { service, topic, data, ...(event ? { event } : {}) }),
    fault: (match, action, times) => post('faults', { match, action, ...(times ? { times } : {}) }),
    set: (switches) => post('switches', switches),
    /** What the journal holds, by its query: `{ service, what, topic, type, user }`. */
    log: async (query) => (await fetch(`http://127.0.0.1:${port}/_mock/log?${new URLSearchParams(query)}`)).json(),
    stop: () => {
      child.removeAllListeners('exit');
      child.kill();
    },
  };
}

export { pause, until } from './wait.mjs';
