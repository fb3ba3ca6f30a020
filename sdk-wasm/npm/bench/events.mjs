// Prints what an event costs, in Node and in Chromium (Debian's, if it is there), after a build. Beside it the same
// events through socket.io-client, if tests/js is installed. See measure.mjs.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { connect } from '../dist/node.js';
import { first, measure } from './measure.mjs';

const tests = fileURLToPath(new URL('../../../tests/js/', import.meta.url));
const hasOther = existsSync(`${tests}node_modules/socket.io-client`);
const bundle = async (contents, resolveDir) => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir }, bundle: true, format: 'esm', platform: 'browser', target: 'es2022', charset: 'utf8',
    write: false, logLevel: 'error', nodePaths: [`${tests}node_modules`],
  });
  return outputFiles[0].text;
};
const load = async () => {
  const code = await bundle("export { io } from 'socket.io-client';", tests);
  return import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`);
};
console.log(`Node ${process.version}, first client: ${first(connect).toFixed(1)} ms`);
console.log(await measure(connect, { stamped: false, load: hasOther ? load : undefined }));

const executablePath = '/usr/bin/chromium';
if (existsSync(executablePath)) {
  const here = fileURLToPath(new URL('.', import.meta.url));
  // It is loaded after its WebSocket is there.
  const theirs = hasOther ? await bundle("export { io } from 'socket.io-client';", tests) : '';
  const ours = await bundle(`
    import { connect } from '../dist/index.js';
    import { first, measure } from './measure.mjs';
    globalThis.bench = (load) => measure(connect, { stamped: true, load });
    globalThis.first = () => first(connect);
  `, here);
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'] });
  try {
    // Isolated from other pages it has a clock that is fine enough.
    const headers = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
    const text = (body, contentType) => ({ body, headers: { ...headers, 'content-type': `${contentType}; charset=utf-8` } });
    const open = async () => {
      const page = await (await browser.newContext()).newPage();
      await page.route('http://localhost:9/**', (route) => {
        const { pathname } = new URL(route.request().url());
        if (pathname === '/ours.js') return route.fulfill(text(ours, 'text/javascript'));
        if (pathname === '/theirs.js') return route.fulfill(text(theirs, 'text/javascript'));
        return route.fulfill(text('<!doctype html><script type="module" src="/ours.js"></script>', 'text/html'));
      });
      await page.goto('http://localhost:9/');
      await page.waitForFunction(() => 'bench' in globalThis);
      return page;
    };
    const firsts = [];
    for (let n = 0; n < 15; n++) {
      const page = await open();
      firsts.push(await page.evaluate(() => globalThis.first()));
      await page.context().close();
    }
    firsts.sort((a, b) => a - b);
    console.log(`Chromium ${browser.version()}, first client in each of 15 pages: ${firsts[0].toFixed(1)} ms at best, ${firsts[7].toFixed(1)} ms in the middle`);
    const page = await open();
    console.log(await page.evaluate((there) => globalThis.bench(there ? () => import('/theirs.js') : undefined), hasOther));
  } finally {
    await browser.close();
  }
}
