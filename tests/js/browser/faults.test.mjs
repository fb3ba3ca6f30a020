// Every fault of the mock on every service, in a page of Chromium; of the catalogue those that the browser itself judges.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, test } from 'vitest';
import { launch } from '../support/chromium.mjs';
import { faults, options } from '../support/faults.mjs';
import { catalogue, startMock, token } from '../support/mock.mjs';

const script = `
  import { connect } from 'steadfast';
  import { faults } from './support/faults.mjs';
  const check = (good, message) => {
    if (!good) throw new Error(message);
  };
  const assert = {
    ok: check,
    equal: (is, wanted, message) => check(is === wanted, (message ?? '') + ': ' + is + ' instead of ' + wanted),
    deepEqual: (is, wanted, message) => assert.equal(JSON.stringify(is), JSON.stringify(wanted), message),
  };
  const server = (name) => ({
    url: (service) => urls[name] + service,
    emit: (...given) => control(name, 'emit', given),
    fault: (...given) => control(name, 'fault', given),
  });
  globalThis.start = (urls, catalogue) => {
    globalThis.urls = urls;
    const servers = Object.fromEntries(Object.keys(urls).map((name) => [name, server(name)]));
    globalThis.faults = faults({ place: 'page', connect, token: makeToken, assert, servers, catalogue, levels: ['websocket'] });
  };
`;

const servers = {};
let browser;
let site;
let page;
beforeAll(async () => {
  for (const [name, own] of Object.entries(options)) servers[name] = await startMock(...own);
  const stdin = { contents: script, resolveDir: fileURLToPath(new URL('..', import.meta.url)) };
  const { outputFiles } = await build({ stdin, bundle: true, format: 'esm', write: false, platform: 'browser' });
  site = createServer((request, response) => {
    const code = request.url === '/app.js';
    response.setHeader('content-type', code ? 'text/javascript' : 'text/html');
    response.end(code ? outputFiles[0].text : '<!doctype html><script type="module" src="/app.js"></script>');
  });
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
  browser = await launch();
  page = await browser.newPage();
  await page.exposeFunction('makeToken', token);
  await page.exposeFunction('control', (name, what, given) => servers[name][what](...given));
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await page.waitForFunction(() => globalThis.start);
  const urls = Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, server.url('')]));
  await page.evaluate((given) => start(...given), [urls, catalogue()]);
});
afterAll(async () => {
  await browser?.close();
  site?.close();
  for (const server of Object.values(servers)) server.stop();
});

for (const name of Object.keys(faults({ catalogue: catalogue() }))) {
  test(name, { timeout: 60_000 }, async () => assert.deepEqual(await page.evaluate((name) => globalThis.faults[name](), name), []));
}
