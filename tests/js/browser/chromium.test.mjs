// The package in headless Chromium: all five services in a page and in a module worker, bundled as an app would be.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, test } from 'vitest';
import { launch } from '../support/chromium.mjs';
import { pause, startMock, token } from '../support/mock.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const script = `
  import { connect } from 'steadfast';
  globalThis.connect = connect;
  globalThis.follow = async (service, url, token, topic) => {
    const client = connect({ service, url, ...(token ? { token } : {}) });
    const subscription = client.subscribe(topic);
    const seen = [];
    for await (const event of subscription) {
      seen.push(event.type);
      if (event.type === 'clarification' && event.data.status === 'pending') void client.respondToClarification(event.data.clarificationId, 'yes');
      if (event.type === 'export_ready') break;
    }
    const phase = subscription.snapshot.phase;
    await client.close();
    return { seen, phase };
  };
  if (typeof document === 'undefined') {
    onmessage = async ({ data }) => postMessage(await follow(...data));
  }
`;

let mock;
let browser;
let server;
let page;
beforeAll(async () => {
  mock = await startMock();
  const { outputFiles } = await build({ stdin: { contents: script, resolveDir: here }, bundle: true, format: 'esm', write: false, platform: 'browser' });
  server = createServer((request, response) => {
    const code = request.url === '/app.js';
    response.setHeader('content-type', code ? 'text/javascript' : 'text/html');
    response.end(code ? outputFiles[0].text : '<!doctype html><script type="module" src="/app.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  browser = await launch();
  page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.waitForFunction(() => globalThis.follow);
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  mock?.stop();
});
const it = (name, run) => test(name, { timeout: 20_000 }, run);
const ends = { charisma: 'done', therapybridge: 'done', saga: 'waiting', docproc: 'done', devcontext: 'done' };
const role = (service) => ({ sub: `page-${service}-${Math.random()}`, role: service === 'therapybridge' ? 'therapist' : 'facilitator' });

for (const [service, phase] of Object.entries(ends)) {
  it(`${service} in a page, from subscribe to end`, async () => {
    const own = service === 'docproc' ? null : token(role(service));
    const result = await page.evaluate((all) => globalThis.follow(...all), [service, mock.url(service), own, `page_${service}`]);
    assert.equal(result.phase, phase, result.seen.join(' '));
    assert.ok(result.seen.length > 4);
  });
}

it('in a module worker', async () => {
  const result = await page.evaluate(
    (all) =>
      new Promise((resolve, reject) => {
        const worker = new Worker('/app.js', { type: 'module' });
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(all);
      }),
    ['saga', mock.url('saga'), token(role('saga')), 'worker_1'],
  );
  assert.equal(result.seen.at(-1), 'export_ready');
});

it('a drop is overcome; that the browser is offline says nothing about a server on the same machine', async () => {
  const own = token(role('saga'));
  await page.evaluate(async ([url, token]) => {
    globalThis.client = connect({ service: 'saga', url, token, baseDelay: 50 });
    globalThis.gap = new Promise((resolve) => client.on('gap', resolve));
    await client.subscribe('quiet-page').live();
  }, [mock.url('saga'), own]);
  await mock.fault({ service: 'saga', when: 'now' }, { do: 'drop', how: 'rst' });
  assert.equal((await page.evaluate(() => globalThis.gap)).topic, 'quiet-page');
  await page.context().setOffline(true);
  await pause(200);
  await page.context().setOffline(false);
  await page.evaluate(() => client.ready());
  assert.equal(await page.evaluate(() => client.state.status), 'ready');
  await page.evaluate(() => client.close());
});

it('the first client in a page is there at once', async () => {
  const fresh = await browser.newPage();
  await fresh.goto(`http://127.0.0.1:${server.address().port}/`);
  await fresh.waitForFunction(() => globalThis.connect);
  const ms = await fresh.evaluate(() => {
    const start = performance.now();
    connect({ service: 'charisma', url: 'ws://127.0.0.1:9', autoConnect: false });
    return performance.now() - start;
  });
  console.log(`# first client: ${ms.toFixed(1)} ms`);
  assert.ok(ms < 200, `${ms} ms`);
  await fresh.close();
});
