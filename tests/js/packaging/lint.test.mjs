// What the linters of packages say of the tarball: its entries, types and conditions.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import assert from 'node:assert/strict';
import { test } from 'vitest';

const here = fileURLToPath(new URL('..', import.meta.url));
const program = (name) => join(here, 'node_modules', '.bin', name);
const run = (name, options) =>
  promisify(execFile)(program(name), options, { cwd: here }).catch((error) => assert.fail(`${error.stdout}${error.stderr}`));

test('publint has nothing to say', async () => {
  await run('publint', ['--strict', 'node_modules/steadfast']);
});

test('the types are right however it is imported', async () => {
  const packed = ['pack', '--silent', '--pack-destination', 'node_modules', './node_modules/steadfast'];
  const { stdout } = await promisify(execFile)('npm', packed, { cwd: here });
  const tarball = join('node_modules', stdout.trim());
  // Slim fetches what stands beside it, which only a module knows; the module itself is no source of types.
  await run('attw', [tarball, '--profile', 'node16', '--exclude-entrypoints', 'slim', 'steadfast.wasm']);
  await run('attw', [tarball, '--profile', 'esm-only', '--entrypoints', 'slim']);
});
