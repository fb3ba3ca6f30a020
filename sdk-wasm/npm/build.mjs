// Builds the package from src/ and a module that cargo has built: `node build.mjs <module.wasm> [--no-budget] [--write | --check]`.
// Types by tsc, bundles by esbuild, the module by wasm-opt; then the result is tried, and its sizes are checked.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
process.chdir(here);
const input = process.argv[2];
if (!input) throw new Error('usage: node build.mjs <module.wasm>');

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist');
// Features are named one by one: with --all-features the file is one that Node 20 refuses.
const features = ['bulk-memory', 'bulk-memory-opt', 'sign-ext', 'mutable-globals', 'nontrapping-float-to-int', 'reference-types', 'multivalue', 'call-indirect-overlong'];
execFileSync(
  join('node_modules', '.bin', 'wasm-opt'),
  // Nothing lives in the first KiB: there the stack ends.
  ['--flatten', '--rereloop', '-Oz', '-Oz', '--converge', '--low-memory-unused', '--strip-debug', '--strip-producers', '--strip-target-features', ...features.map((name) => `--enable-${name}`), input, '-o', 'dist/steadfast.wasm'],
  { stdio: 'inherit' },
);
execFileSync(join('node_modules', '.bin', 'wasm-as'), ['src/unpack.wat', '-o', 'dist/unpack.wasm']);
// Each byte is a character, from `#` on, where nothing but a backslash means something in quotation marks.
const shifted = (name) => {
  const bytes = readFileSync(join('dist', `${name}.wasm`));
  return `"${Array.from(bytes, (byte) => String.fromCharCode(byte + 35)).join('').replaceAll('\\', '\\\\')}"`;
};
writeFileSync('src/generated/wasm.ts', `
/** The module in WASM, each byte plus 35. */
export const shifted = ${shifted('steadfast')};
/** The one that unpacks it, in the same way; see unpack.wat. */
export const unpacker = ${shifted('unpack')};
`);
rmSync('dist/unpack.wasm');

execFileSync(join('node_modules', '.bin', 'tsc'), ['-p', '.'], { stdio: 'inherit' });
rmSync('dist/generated/wasm.d.ts', { force: true });

const common = {
  bundle: true, sourcemap: true, charset: 'utf8', target: 'es2022', platform: 'neutral', legalComments: 'none',
  external: ['react', 'ws'], logLevel: 'warning', sourcesContent: false, logOverride: { 'empty-import-meta': 'silent' },
};
for (const name of ['index', 'slim', 'react', 'testing']) {
  await build({ ...common, minify: true, entryPoints: [`src/${name}.ts`], format: 'esm', outfile: `dist/${name}.js` });
}
// Node prints the line that threw: it had better be a short one.
for (const name of ['node', 'node-slim']) {
  await build({ ...common, entryPoints: [`src/${name}.ts`], format: 'esm', outfile: `dist/${name}.js` });
}
for (const name of ['node', 'react', 'testing']) {
  await build({ ...common, entryPoints: [`src/${name}.ts`], format: 'cjs', outfile: `dist/${name}.cjs` });
}
// What a CommonJS program sees has the same types, each file under the name that goes with it.
for (const name of readdirSync('dist', { recursive: true }).filter((name) => name.endsWith('.d.ts'))) {
  const text = readFileSync(join('dist', name), 'utf8').replaceAll(/((?:from |import\()'\.{1,2}\/[\w./-]+)\.js'/g, "$1.cjs'");
  writeFileSync(join('dist', name.replace(/\.d\.ts$/, '.d.cts')), text);
}

const size = (bytes) => [bytes.length, gzipSync(bytes, { level: 9 }).length, brotliCompressSync(bytes).length];
const sum = (a, b) => a.map((n, index) => n + b[index]);
const kb = (n) => `${(n / 1024).toFixed(1).padStart(7)} KB`;
/** An entry as it is imported. */
const entry = (name) => name.split(' ')[0].replace(/^\./, 'steadfast');
const file = (name) => size(readFileSync(join('dist', name)));
const rows = [
  ['steadfast.wasm', file('steadfast.wasm')],
  ['. (index.js)', file('index.js'), 32],
  ['./slim (slim.js and the module)', sum(file('slim.js'), file('steadfast.wasm')), 28],
  ['./react (react.js)', file('react.js')],
];
console.log(`${''.padEnd(34)}        raw       gzip     brotli`);
let over = false;
for (const [name, sizes, budget] of rows) {
  const bad = budget !== undefined && sizes[2] > budget * 1024;
  over ||= bad;
  console.log(`${name.padEnd(34)}${sizes.map(kb).join(' ')}${bad ? `  over the budget of ${budget} KB` : ''}`);
}
// What the README promises is what there is: `--write` puts it there, `--check` wants it within an eighth: a module without a library of its own is a tenth larger.
const readme = readFileSync('README.md', 'utf8');
const told = /(<!-- sizes: begin -->\n)([^]*?)(<!-- sizes: end -->)/;
const line = `${rows.slice(1).map(([name, sizes]) => `\`${entry(name)}\` **${kb(sizes[2]).trim()}**`).join(', ')}: brotli, with all five services.\n`;
if (process.argv.includes('--write')) {
  writeFileSync('README.md', readme.replace(told, `$1${line}$3`));
} else if (process.argv.includes('--check')) {
  const promised = [...(told.exec(readme)?.[2] ?? '').matchAll(/\*\*([\d.]+) KB/g)].map((found) => Number(found[1]) * 1024);
  for (const [index, [name, sizes]] of rows.slice(1).entries()) {
    if (Math.abs((promised[index] ?? 0) / sizes[2] - 1) < 0.125) continue;
    console.error(`README.md does not tell the size of ${name}, ${kb(sizes[2]).trim()}: run \`cargo xtask npm\` and commit it`);
    process.exitCode = 1;
  }
}

// The module as it is must be one that this Node takes.
const { connect } = await import(`./dist/node.js?${process.pid}`);
const client = connect({ service: 'charisma', url: 'ws://localhost:1', autoConnect: false });
if (client.state.status !== 'idle') throw new Error('the built package does not work');
await client.close();
// The last file: where it is, the package is whole, and at the worst too large.
writeFileSync('dist/sizes.json', JSON.stringify(Object.fromEntries(rows.map(([name, sizes]) => [name, sizes]))));
if (over && !process.argv.includes('--no-budget')) process.exitCode = 1;
