// What an app loads: this package beside others of its kind, each bundled alone in the same way.
// `node sizes.mjs [the built package]`; the package is the one that was last built if none is named.
import { readFileSync } from 'node:fs';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';

const own = process.argv[2] ?? '../../sdk-wasm/npm';
const bundle = async (contents) => {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022', charset: 'utf8',
    legalComments: 'none', write: false, logLevel: 'error', logOverride: { 'empty-import-meta': 'silent' },
  });
  return outputFiles[0].contents;
};
const packages = {
  steadfast: `export { connect } from ${JSON.stringify(`./${own}/dist/index.js`)};`,
  'steadfast/slim': `export { connect, init } from ${JSON.stringify(`./${own}/dist/slim.js`)};`,
  'socket.io-client': "export { io } from 'socket.io-client';",
  centrifuge: "export { Centrifuge } from 'centrifuge';",
  ably: "export { Realtime } from 'ably';",
  'ably/modular': "export { BaseRealtime, WebSocketTransport, FetchRequest } from 'ably/modular';",
};
console.log('brotli, minified, bundled alone');
for (const [name, contents] of Object.entries(packages)) {
  let size = brotliCompressSync(await bundle(contents)).length;
  if (name === 'steadfast/slim') size += brotliCompressSync(readFileSync(`${own}/dist/steadfast.wasm`)).length;
  console.log(`${name.padEnd(20)}${(size / 1024).toFixed(1).padStart(7)} KB`);
}
