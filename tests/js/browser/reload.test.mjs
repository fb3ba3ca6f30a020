// Hot reload: the demo page under Vite's development server. What is edited is replaced in the page that is open, and
// the server hears nothing of it.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, test } from 'vitest';
import { launch } from '../support/chromium.mjs';
import { startMock } from '../support/mock.mjs';

const example = fileURLToPath(new URL('../../../sdk-wasm/npm/examples/react-vite', import.meta.url));
// A copy, because it is edited; its packages are those of the example.
const folder = mkdtempSync(fileURLToPath(new URL('../.tmp-', import.meta.url)));
for (const name of ['src', 'index.html', 'vite.config.ts', 'package.json', 'tsconfig.json']) cpSync(join(example, name), join(folder, name), { recursive: true });
symlinkSync(join(example, 'node_modules'), join(folder, 'node_modules'));

let mock;
let browser;
let server;
beforeAll(async () => {
  mock = await startMock('--set', 'docproc.auth=on');
  const { createServer } = await import(pathToFileURL(createRequire(join(example, 'package.json')).resolve('vite')));
  server = await createServer({ root: folder, cacheDir: join(folder, '.vite'), logLevel: 'error', server: { host: '127.0.0.1', port: 0, fs: { strict: false } } });
  await server.listen();
  browser = await launch();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  mock?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('an edited component is replaced without a new subscription, a new connection or a lost job', { timeout: 60_000 }, async () => {
  const page = await browser.newPage();
  await page.goto(`${server.resolvedUrls.local[0]}?mock=http://127.0.0.1:${mock.port}`);
  for (const service of ['saga', 'devcontext']) await page.locator(`[data-service=${service}] .progress[data-outcome=done]`).waitFor();
  await page.evaluate(() => (globalThis.samePage = true));
  const topics = await page.locator('.progress-bottom code').allTextContents();
  const counts = async () => {
    const opened = (await mock.log({ what: 'open' })).length;
    const asked = (await mock.log({ what: 'in' })).filter(({ type }) => /^(un)?subscribe|^join|^leave/.test(type));
    return { opened, asked: asked.map(({ type, topic }) => `${type} ${topic}`) };
  };
  const before = await counts();
  assert.equal(before.asked.filter((one) => one.startsWith('join_project')).length, 1);
  const edit = (name, from, to) => {
    const path = join(folder, 'src', name);
    const text = readFileSync(path, 'utf8');
    assert.ok(text.includes(from), `${name} has ${from}`);
    writeFileSync(path, text.replace(from, to));
  };
  edit('Misbehave.tsx', 'Make the server misbehave', 'Be nasty to it');
  await page.getByText('Be nasty to it').nth(4).waitFor();
  // The component that follows the topic, and what it imports that is no component.
  edit('ServiceCard.tsx', 'Diagnose\n', 'Ask the client\n');
  await page.getByText('Ask the client').nth(4).waitFor();
  edit('services.ts', 'Collects stories', 'Gathers stories');
  await page.getByText('Gathers stories').waitFor();
  assert.equal(await page.evaluate(() => globalThis.samePage), true, 'the page was not loaded anew');
  assert.deepEqual(await page.locator('.progress-bottom code').allTextContents(), topics);
  // What follows from now on arrives by the same subscription.
  await mock.emit('saga', topics[2], { exportId: 'later' }, 'export_started');
  await page.locator('[data-service=saga] .progress:not([data-outcome=done])').waitFor();
  assert.deepEqual(await counts(), before);
});
