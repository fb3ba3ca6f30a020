// What a browser does to a page: the network goes and comes back, the page is hidden, frozen, left and returned to.
// And the package where apps have it: Vite's builds and its development server, and a SharedWorker in each.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, createServer } from 'vite';
import { afterAll, beforeAll, test } from 'vitest';
import { launch } from '../support/chromium.mjs';
import { pause, startMock, token } from '../support/mock.mjs';

const folder = mkdtempSync(fileURLToPath(new URL('../.tmp-', import.meta.url)));
const files = {
  'index.html': '<!doctype html><title>An app</title><script type="module" src="/app.js"></script>',
  'elsewhere.html': '<!doctype html><title>Elsewhere</title>',
  'app.js': `
    import { connect } from 'steadfast';
    globalThis.connect = connect;
    globalThis.shared = () => new SharedWorker(new URL('./shared.js', import.meta.url), { type: 'module', name: 'steadfast' });
  `,
  // One client for all pages of the app.
  'shared.js': `
    import { connect } from 'steadfast';
    let client;
    onconnect = ({ ports: [port] }) => {
      port.onmessage = async ({ data: { url, token, topic } }) => {
        client ??= connect({ service: 'saga', url, token });
        for await (const event of client.subscribe(topic)) {
          if (event.type === 'export_ready') break;
        }
        port.postMessage({ topic, attempts: client.stats().attempts });
      };
    };
  `,
};
const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

let mock;
let browser;
let development;
let built;
const sites = {};
beforeAll(async () => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  mock = await startMock();
  const common = { root: folder, configFile: false, logLevel: 'error', cacheDir: join(folder, '.vite'), worker: { format: 'es' } };
  await build({ ...common, build: { outDir: 'dist', rolldownOptions: { input: { index: join(folder, 'index.html'), elsewhere: join(folder, 'elsewhere.html') } } } });
  built = createHttp((request, response) => {
    const path = join(folder, 'dist', request.url === '/' ? 'index.html' : request.url);
    try {
      const bytes = readFileSync(path);
      response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream');
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => built.listen(0, '127.0.0.1', resolve));
  sites.build = `http://127.0.0.1:${built.address().port}/`;
  development = await createServer({ ...common, server: { host: '127.0.0.1', port: 0, fs: { strict: false } } });
  await development.listen();
  sites.dev = development.resolvedUrls.local[0];
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  await development?.close();
  built?.close();
  mock?.stop();
  rmSync(folder, { recursive: true, force: true });
});
const it = (name, run) => test(name, { timeout: 30_000 }, run);

/** A page of its own, with the app in it. */
async function open(site = 'build') {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  await page.goto(sites[site]);
  await page.waitForFunction(() => globalThis.connect);
  return page;
}
let count = 0;
/** A client in the page, with a live topic. Its states are collected in `states`. */
async function follow(page, options = {}) {
  const topic = `quiet-life-${++count}`;
  await page.evaluate(
    async ([url, token, topic, options]) => {
      globalThis.client = connect({ service: 'saga', url, token, baseDelay: 50, wakeInterval: 0, ...options });
      globalThis.states = [];
      client.on('state', (event) => states.push(event.state.status));
      globalThis.heard = [];
      globalThis.topic = client.subscribe(topic);
      globalThis.topic.on('*', (event) => heard.push(event.type));
      await globalThis.topic.live();
    },
    [mock.url('saga'), token({ sub: topic }), topic, options],
  );
  return topic;
}
const ready = (page) => page.waitForFunction(() => client.state.status === 'ready' && topic.state.status === 'live');
/** What is emitted arrives. */
async function hears(page, topic) {
  const before = await page.evaluate(() => heard.filter((type) => type === 'story_processing').length);
  await mock.emit('saga', topic, { projectId: topic, storyId: 's' }, 'story_processing');
  await page.waitForFunction((before) => heard.filter((type) => type === 'story_processing').length === before + 1, before);
}
const reconnects = (page) => page.evaluate(() => client.stats().reconnects);
const conditions = (session, offline) => session.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });

for (const site of ['build', 'dev']) {
  it(`Vite, ${site}: a page`, async () => {
    const page = await open(site);
    await hears(page, await follow(page));
    await page.context().close();
  });

  it(`Vite, ${site}: two pages share the connection of a SharedWorker`, async () => {
    const first = await open(site);
    const second = await first.context().newPage();
    await second.goto(sites[site]);
    await second.waitForFunction(() => globalThis.connect);
    const ask = { url: mock.url('saga'), token: token({ sub: `shared-${site}` }) };
    const answers = [];
    for (const [page, topic] of [[first, 'shared-1'], [second, 'shared-2']]) {
      answers.push(
        await page.evaluate(
          (ask) =>
            new Promise((resolve, reject) => {
              const worker = shared();
              worker.onerror = (event) => reject(new Error(event.message ?? 'the worker failed'));
              worker.port.onmessage = ({ data }) => resolve(data);
              worker.port.postMessage(ask);
            }),
          { ...ask, topic: `${topic}-${site}` },
        ),
      );
    }
    assert.deepEqual(answers, [{ topic: `shared-1-${site}`, attempts: 1 }, { topic: `shared-2-${site}`, attempts: 1 }]);
    await first.context().close();
  });
}

it('offline and online: the longest wait meanwhile, none afterwards', async () => {
  const page = await open();
  // By a name: what is on the same machine needs no network.
  const url = mock.url('saga').replace('127.0.0.1', 'service.test');
  const topic = await follow(page, { url, allowInsecure: true, baseDelay: 50, maxDelay: 60_000, jitter: false });
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await conditions(session, true);
  await page.waitForFunction(() => !navigator.onLine);
  await mock.fault({ service: 'saga', topic, when: 'now' }, { do: 'drop', how: 'rst' });
  await page.waitForFunction(() => client.state.status === 'offline');
  // Far longer than the first delay, by which it comes back otherwise.
  await pause(600);
  assert.equal(await page.evaluate(() => client.stats().attempts), 1);
  await conditions(session, false);
  await ready(page);
  assert.deepEqual(await page.evaluate(() => [client.stats().attempts, client.stats().reconnects]), [2, 1]);
  await hears(page, topic);
  await page.context().close();
});

it('hidden and shown: the connection stays, and is asked whether it still answers', async () => {
  const page = await open();
  const topic = await follow(page, { backgroundGrace: 100 });
  // Headless pages are always visible: what the browser would say is said in its place.
  const say = (state) =>
    page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, state);
  await say('hidden');
  await hears(page, topic);
  const sent = () => mock.log({ service: 'saga', what: 'in', user: topic }).then((all) => all.filter(({ type }) => type === 'ping').length);
  assert.equal(await sent(), 0);
  await say('visible');
  for (const end = Date.now() + 5000; (await sent()) === 0; ) assert.ok(Date.now() < end, 'it is probed');
  assert.equal(await reconnects(page), 0);
  await hears(page, topic);
  await page.context().close();
});

it('left, kept by the browser, and returned to: hidden, frozen, cut off, and at once back with its topic', async () => {
  const page = await open();
  // Whatever waits, waits too long for this test: the way back is at once.
  const topic = await follow(page, { baseDelay: 60_000, maxDelay: 60_000, jitter: false, wakeInterval: 5000 });
  await page.evaluate(() => {
    globalThis.seen = [];
    for (const type of ['visibilitychange', 'freeze', 'resume']) document.addEventListener(type, () => seen.push(type));
    for (const type of ['pagehide', 'pageshow']) addEventListener(type, (event) => seen.push(`${type} ${event.persisted}`));
  });
  await page.goto(`${sites.build}elsewhere.html`);
  await page.evaluate(() => void setTimeout(() => history.back()));
  // What the browser keeps is the same page, with all it had, but for its sockets.
  await page.waitForFunction(() => globalThis.seen?.includes('pageshow true'));
  assert.deepEqual(await page.evaluate(() => seen), ['pagehide true', 'visibilitychange', 'freeze', 'resume', 'visibilitychange', 'pageshow true']);
  await page.waitForFunction(() => client.stats().reconnects === 1);
  await ready(page);
  await hears(page, topic);
  await page.context().close();
});
