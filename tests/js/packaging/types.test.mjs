// The types where there is no DOM, and a variable for clients of any service.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, test } from 'vitest';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(here, '.tmp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('types hold in Node, without those of the DOM', { timeout: 60_000 }, async () => {
  const path = join(folder, 'node.mts');
  writeFileSync(path, `
    import { connect, type Client } from 'steadfast';
    const saga: Client = connect({ service: 'saga', url: 'wss://x', query: new Map([['a', 'b']]), headers: new Headers() });
    const all: Client[] = [saga, connect({ service: 'devcontext', url: 'wss://x' })];
    const follow = (client: Client, topic: string) => client.subscribe(topic).on('*', (event) => console.log(event.type));
    for (const client of all) follow(client, 'a');
    // @ts-expect-error not every service has it
    follow.length && all[0].serverHealth();
  `);
  const tsc = join(here, 'node_modules', '.bin', 'tsc');
  const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--lib', 'es2022', '--types', 'node', '--module', 'nodenext'];
  await promisify(execFile)(tsc, [...options, path], { cwd: here }).catch((error) => assert.fail(error.stdout));
});
