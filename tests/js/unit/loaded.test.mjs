// What these tests import is what Node itself loads for an app: vitest has neither changed it nor chosen another file.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as main from 'steadfast';
import * as react from 'steadfast/react';
import * as slim from 'steadfast/slim';
import * as testing from 'steadfast/testing';
import { test } from 'vitest';

const here = fileURLToPath(new URL('..', import.meta.url));
const resolve = (name) => execFileSync(process.execPath, ['--input-type=module', '-e', `process.stdout.write(import.meta.resolve('${name}'))`], { cwd: here }).toString();

for (const [name, ours] of Object.entries({ steadfast: main, 'steadfast/react': react, 'steadfast/slim': slim, 'steadfast/testing': testing })) {
  test(`${name} is Node's own`, async () => {
    // What is imported in a module made of data is none of vitest's business.
    const own = await import(`data:text/javascript,export * from '${resolve(name)}'`);
    assert.ok(Object.keys(own).length > 0);
    assert.deepEqual(Object.keys(ours), Object.keys(own));
    for (const key of Object.keys(own)) assert.equal(ours[key], own[key], key);
  });
}
