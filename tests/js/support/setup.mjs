// Around each file of tests: what vitest adds is taken away, and what it would not notice fails.
import assert from 'node:assert/strict';
import { Worker } from 'node:worker_threads';
import { afterAll, expect } from 'vitest';
import { pause } from './wait.mjs';

// The environment says that there is a test. React, Vite and the programs that tests start must not hear of it: an app
// doesn't.
for (const name of Object.keys(process.env)) {
  if (/^(VITEST.*|NODE_ENV|TEST|MODE|DEV|PROD|SSR|BASE_URL|FORCE_TTY)$/.test(name)) delete process.env[name];
}

// A loop without an end leaves no timeout a chance, and vitest would wait for ever; another thread can end it.
const endless = `${expect.getState().testPath} has not ended after five minutes, and is ended.\n`;
new Worker(
  `setTimeout(() => {
    require('node:fs').writeSync(2, ${JSON.stringify(endless)});
    process.kill(process.pid, 'SIGKILL');
  }, 300_000);`,
  { eval: true },
).unref();

// When its tests are over, nothing of theirs or of the package may keep the process alive: vitest would just end it.
const own = process.getActiveResourcesInfo();
function left() {
  const all = process.getActiveResourcesInfo();
  for (const one of own) if (all.includes(one)) all.splice(all.indexOf(one), 1);
  return all;
}
afterAll(async () => {
  for (const end = Date.now() + 10_000; left().length > 0; await pause(20)) {
    assert.ok(Date.now() < end, `the tests are over, and this goes on: ${left().join(', ')}`);
  }
});
