// Where it does not run the error says what to do; and what the README shows works as it stands.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, test } from 'vitest';
import { launch } from '../support/chromium.mjs';
import { startMock } from '../support/mock.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(here, '.tmp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const run = promisify(execFile);
const it = (name, body) => test(name, { timeout: 60_000 }, body);
const readme = readFileSync(join(here, 'node_modules/steadfast/README.md'), 'utf8');
const shown = (language) => new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``).exec(readme)[1];

/** Runs a program; gives what it printed. */
async function output(name, text, where = folder) {
  const path = join(where, name);
  writeFileSync(path, text);
  return (await run(process.execPath, [path], { cwd: where, timeout: 30_000 })).stdout;
}
const attempt = (code) => `try { ${code}; console.log('it runs') } catch (e) { console.log(e.name, e.field, e.message) }`;
const connect = attempt(`connect({ service: 'saga', url: 'wss://example.com', autoConnect: false })`);

it('without WebAssembly', async () => {
  const text = await output('none.mjs', `delete globalThis.WebAssembly; const { connect } = await import('steadfast'); ${connect}`);
  assert.match(text, /ConfigError WebAssembly .*React Native.*native SDK/);
  const slim = await output('none-slim.mjs', `delete globalThis.WebAssembly; const { init } = await import('steadfast/slim'); ${attempt('await init()')}`);
  assert.match(slim, /ConfigError WebAssembly .*React Native/);
});

it('without a WebSocket', async () => {
  // Far from any node_modules that has `ws`.
  const alone = mkdtempSync(join(tmpdir(), 'steadfast-'));
  try {
    mkdirSync(join(alone, 'node_modules'));
    cpSync(join(here, 'node_modules/steadfast'), join(alone, 'node_modules/steadfast'), { recursive: true });
    const text = await output('none.mjs', `delete globalThis.WebSocket; const { connect } = await import('steadfast'); ${connect}`, alone);
    assert.match(text, /ConfigError WebSocket .*npm i ws.*option `WebSocket`/);
  } finally {
    rmSync(alone, { recursive: true, force: true });
  }
});

it('where code may not be compiled from bytes, a module that is compiled already does', async () => {
  // As an edge runtime does it: modules come compiled, by an import.
  const edge = (entry) => `
    import { readFileSync } from 'node:fs';
    const compiled = new WebAssembly.Module(readFileSync(${JSON.stringify(join(here, 'node_modules/steadfast/dist/steadfast.wasm'))}));
    const refuse = () => { throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder') };
    WebAssembly.Module = new Proxy(WebAssembly.Module, { construct: refuse });
    WebAssembly.compile = async () => refuse();
    const { connect, init } = await import('${entry}');`;
  assert.match(await output('edge.mjs', `${edge('steadfast')} ${connect}`), /ConfigError WebAssembly .*disallowed.*edge runtimes.*`init` of steadfast\/slim/);
  assert.match(await output('edge-slim.mjs', `${edge('steadfast/slim')} await init(compiled); ${connect}`), /it runs/);
});

it('where modules are compiled and made only asynchronously, slim does', async () => {
  const old = (entry) => `
    const refuse = () => { throw new RangeError('WebAssembly.Compile is disallowed on the main thread, if the buffer size is larger than 4KB') };
    for (const name of ['Module', 'Instance']) WebAssembly[name] = new Proxy(WebAssembly[name], { construct: refuse });
    const { connect, init } = await import('${entry}');`;
  assert.match(await output('old.mjs', `${old('steadfast')} ${connect}`), /ConfigError WebAssembly .*4KB.*old web views.*`init` of steadfast\/slim/);
  assert.match(await output('old-slim.mjs', `${old('steadfast/slim')} await init(); ${connect}`), /it runs/);
});

it('importing touches nothing, and a component renders on a server', async () => {
  const text = await output('server.mjs', `
    for (const name of ['WebAssembly', 'WebSocket', 'performance']) delete globalThis[name];
    await import('steadfast');
    await import('steadfast/slim');
    const { useConnection, useEvents, useTopic } = await import('steadfast/react');
    const { createElement } = await import('react');
    const { renderToString } = await import('react-dom/server');
    function View() {
      useEvents(null, () => undefined);
      const { state } = useConnection(null);
      const { snapshot, isLive } = useTopic(null, 'x');
      return state.status + ' ' + isLive + ' ' + snapshot;
    }
    console.log(renderToString(createElement(View)));
  `);
  assert.match(text, /^idle false undefined$/m);
});

it('a page whose policy forbids WASM says so, and one that allows it runs', async () => {
  const contents = `import { connect } from 'steadfast'; globalThis.result = (() => { ${connect.replaceAll('console.log(', 'return [').replaceAll("'it runs')", "'it runs']").replaceAll('e.message)', 'e.message]')} })();`;
  const { outputFiles } = await build({ stdin: { contents, resolveDir: here }, bundle: true, format: 'esm', write: false, platform: 'browser' });
  const server = createServer((request, response) => {
    const strict = request.url.startsWith('/strict');
    response.setHeader('content-security-policy', `default-src 'self'; script-src 'self'${strict ? '' : " 'wasm-unsafe-eval'"}`);
    const code = request.url.endsWith('.js');
    response.setHeader('content-type', code ? 'text/javascript' : 'text/html');
    response.end(code ? outputFiles[0].text : '<!doctype html><script type="module" src="/app.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await launch();
  try {
    const result = async (path) => {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/${path}`);
      await page.waitForFunction(() => globalThis.result);
      return (await page.evaluate(() => globalThis.result)).join(' ');
    };
    assert.match(await result('strict'), /ConfigError WebAssembly .*allow 'wasm-unsafe-eval' in script-src/);
    assert.equal(await result('open'), 'it runs');
  } finally {
    await browser.close();
    server.close();
  }
});

it('the quick start of the README runs as it stands', async () => {
  const mock = await startMock();
  try {
    const code = shown('js');
    assert.ok(code.split('\n').length <= 13, 'ten lines and a bit');
    // The port alone is another one: the usual one may be taken.
    const text = await output('quick.mjs', code.replaceAll(':8090', `:${mock.port}`));
    assert.match(text, /analysis_in_progress 0\.5\n[^]*the end: done/);
  } finally {
    mock.stop();
  }
});

it("the README's component is right under --strict", async () => {
  const path = join(folder, 'readme.tsx');
  writeFileSync(path, shown('tsx'));
  const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--jsx', 'react-jsx', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--types', 'react'];
  await run(join(here, 'node_modules/.bin/tsc'), [...strict, '--module', 'esnext', '--moduleResolution', 'bundler', path]).catch((error) => assert.fail(error.stdout));
});
