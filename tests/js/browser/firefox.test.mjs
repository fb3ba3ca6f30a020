// The package in headless Firefox: all five services in a page, one in a module worker, a lost connection, and `slim`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, test } from 'vitest';
import { launch } from '../support/firefox.mjs';
import { startMock, token } from '../support/mock.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const script = `
  import { connect } from 'steadfast';
  import { connect as connectSlim, init } from 'steadfast/slim';
  globalThis.connect = connect;
  globalThis.slim = async (options) => (await init('/steadfast.wasm'), connectSlim(options));
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
  if (typeof document === 'undefined') onmessage = async ({ data }) => postMessage(await follow(...data));
`;

let mock;
let server;
let browser;
let page;
beforeAll(async () => {
  mock = await startMock();
  const { outputFiles } = await build({ stdin: { contents: script, resolveDir: here }, bundle: true, format: 'esm', write: false, platform: 'browser' });
  const module = readFileSync(createRequire(import.meta.url).resolve('steadfast/steadfast.wasm'));
  const files = { '/app.js': ['text/javascript', outputFiles[0].text], '/steadfast.wasm': ['application/wasm', module] };
  server = createServer((request, response) => {
    const [type, body] = files[request.url] ?? ['text/html', '<!doctype html><script type="module" src="/app.js"></script>'];
    response.setHeader('content-type', type);
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  browser = await launch();
  page = await browser.open(`http://127.0.0.1:${server.address().port}/`);
});
afterAll(async () => {
  await browser?.close();
  server?.close();
  mock?.stop();
});
const it = (name, run) => test(name, { timeout: 30_000 }, run);
const ends = { charisma: 'done', therapybridge: 'done', saga: 'waiting', docproc: 'done', devcontext: 'done' };
const own = (service) =>
  service === 'docproc' ? null : token({ sub: `fox-${service}-${Math.random()}`, role: service === 'therapybridge' ? 'therapist' : 'facilitator' });

for (const [service, phase] of Object.entries(ends)) {
  it(`${service} in a page, from subscribe to end`, async () => {
    const result = await page.evaluate((...all) => globalThis.follow(...all), service, mock.url(service), own(service), `fox_${service}`);
    assert.equal(result.phase, phase, result.seen.join(' '));
    assert.ok(result.seen.length > 4);
  });
}

it('in a module worker', async () => {
  const result = await page.evaluate(
    (...all) =>
      new Promise((resolve, reject) => {
        const worker = new Worker('/app.js', { type: 'module' });
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = (event) => reject(new Error(event.message));
        worker.postMessage(all);
      }),
    'saga', mock.url('saga'), own('saga'), 'fox_worker',
  );
  assert.equal(result.seen.at(-1), 'export_ready');
});

it('a drop is overcome, by slim as well', async () => {
  for (const make of ['connect', 'slim']) {
    await page.evaluate(async (make, url, token) => {
      globalThis.client = await globalThis[make]({ service: 'saga', url, token, baseDelay: 50 });
      globalThis.gap = new Promise((resolve) => client.on('gap', resolve));
      await client.subscribe('quiet-fox').live();
    }, make, mock.url('saga'), own('saga'));
    await mock.fault({ service: 'saga', when: 'now' }, { do: 'drop', how: 'rst' });
    assert.equal((await page.evaluate(() => globalThis.gap)).topic, 'quiet-fox', make);
    assert.equal(await page.evaluate(async () => (await client.ready(), client.state.status)), 'ready', make);
    await page.evaluate(() => client.close());
  }
});
