// The ready scenarios against an app on the official client, npm's `socket.io-client`, which connects again by itself:
// each that says it is for Saga or DocProc must be passed by it.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { io } from 'socket.io-client';

const program = process.env.MOCK_SERVER;
/** How the app follows its topic. */
const FOLLOW = { saga: ['join_project', 'project_1'], docproc: ['subscribe', 'session_1'] };
/** How long a scenario may wait for the app. */
const PATIENCE = '60s';
/** How long a test may take in all. */
const timeout = 120_000;

/** The scenarios' names with the services that each is for, as the program lists them. */
function listed() {
  const text = execFileSync(program, ['scenarios'], { encoding: 'utf8' });
  return [...text.matchAll(/^ {2}(\S+) \((.*)\)$/gm)].map(([, name, services]) => [name, services.split(', ')]);
}

/** A run that waits for its client: its base URL, and what came of it. */
async function begin(name) {
  const child = spawn(program, ['run', name, '--port', '0', '--timeout', PATIENCE], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  const ended = new Promise((resolve) => child.once('close', (code) => resolve({ code, text })));
  const base = await new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      text += `${line}\n`;
      const found = /^control API at (\S+)\/_mock\//.exec(line);
      if (found) resolve(found[1]);
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the run ended with ${code}: ${text}`)));
  });
  return { base, ended, stop: () => child.kill() };
}

/**
 * What its documentation has an app do: ask for a token before each connect, follow the topic after each, and look at
 * refusals: one that is final ends the attempts, one that names a time is waited for.
 */
function app(base, service, options) {
  const fresh = async () => {
    const body = JSON.stringify({ sub: 'u1', role: 'storyteller', ttl: `${3600 + Math.floor(Math.random() * 3600)}s` });
    return (await (await fetch(`${base}/_mock/tokens`, { method: 'POST', body })).json()).token;
  };
  // Who comes when the run is over finds nobody.
  const auth = (show) => fresh().then((token) => show({ token }), () => {});
  const socket = io(base, { path: `/${service}/socket.io/`, forceNew: true, auth, ...options });
  let timer;
  socket.on('connect', () => socket.emit(...FOLLOW[service]));
  socket.on('disconnect', (reason) => {
    if (reason === 'io server disconnect') socket.connect();
  });
  socket.on('connect_error', ({ description: status, context }) => {
    if (status === 401) socket.disconnect();
    const wait = status === 503 && context.getResponseHeader('retry-after');
    if (wait) {
      socket.disconnect();
      timer = setTimeout(() => socket.connect(), Number(wait) * 1000);
    }
  });
  return () => {
    clearTimeout(timer);
    socket.disconnect();
  };
}

async function passes(name, service, options = {}) {
  const run = await begin(name);
  const leave = app(run.base, service, options);
  try {
    const { code, text } = await run.ended;
    assert.equal(code, 0, text);
    assert.match(text, /^PASSED: /m);
  } finally {
    leave();
    run.stop();
  }
}

describe('the ready scenarios and socket.io-client', { concurrency: true }, () => {
  const scenarios = listed();
  test('ten are listed', () => assert.equal(scenarios.length, 10));
  for (const [name, services] of scenarios) {
    for (const service of services.filter((service) => service in FOLLOW)) test(`${name} on ${service}`, { timeout }, () => passes(name, service));
  }
  for (const service of Object.keys(FOLLOW)) {
    test(`accepts-then-drops on ${service}, by WebSocket alone`, { timeout }, () => passes('accepts-then-drops', service, { transports: ['websocket'] }));
  }
});
