// The tarball in other people's programs: ESM, require, a process that can end, strict types, a bundle.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, test } from 'vitest';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(here, '.tmp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const run = promisify(execFile);
const it = (name, body) => test(name, { timeout: 60_000 }, body);
const file = (name, text) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

it('a program that has nothing else to do ends by itself', async () => {
  const path = file('end.mjs', `
    import { connect } from 'steadfast';
    const client = connect({ service: 'charisma', url: 'ws://127.0.0.1:9' });
    client.on('state', (event) => event.state.status === 'waiting' && console.log('waits'));
  `);
  const { stdout } = await run(process.execPath, [path], { timeout: 20_000 });
  assert.match(stdout, /waits/);
});

it('require works, and so does slim', async () => {
  const common = file('a.cjs', `const { connect } = require('steadfast'); console.log(typeof connect({ service: 'saga', url: 'ws://127.0.0.1:9', autoConnect: false }).ping);`);
  assert.match((await run(process.execPath, [common])).stdout, /function/);
  const slim = file('slim.mjs', `import { connect, init } from 'steadfast/slim'; let early; try { connect({ service: 'saga', url: 'wss://x' }) } catch (e) { early = e.message } await init(); console.log(early, connect({ service: 'saga', url: 'ws://127.0.0.1:9', autoConnect: false }).state.status);`);
  assert.match((await run(process.execPath, [slim])).stdout, /init\(\).* idle/);
});

it('an unused import shakes away, and importing touches nothing', async () => {
  const { outputFiles } = await build({ stdin: { contents: `import { connect } from 'steadfast'; console.log(1);`, resolveDir: here }, bundle: true, minify: true, format: 'esm', write: false, platform: 'browser' });
  assert.ok(outputFiles[0].text.length < 200, `${outputFiles[0].text.length} bytes`);
});

it('types hold under --strict without skipLibCheck', async () => {
  const path = file('types.ts', `
    import { connect, type Client, type Message } from 'steadfast';
    import { useTopic } from 'steadfast/react';
    const charisma = connect({ service: 'charisma', url: 'wss://x', token: async ({ force }) => (force ? 'a' : 'b') });
    charisma.on('session_status', (event) => { const status: string = event.data.status; const p: number | undefined = event.progress; void status; void p; });
    // @ts-expect-error Charisma has no interviews
    charisma.startInterview('x');
    // @ts-expect-error no such message
    charisma.on('stage_completed', () => undefined);
    async function all(): Promise<void> {
      for await (const event of charisma.subscribe('s')) {
        if (event.type === 'session_error') { const code: string = event.data.error.code; void code; }
        else if (event.type === 'unknown') { const name: string = event.name; void name; }
        else if (event.type === 'subscription' && event.state.status === 'refused') { const help: string = event.state.why.help; void help; }
      }
    }
    const devcontext: Client<'devcontext'> = connect({ service: 'devcontext', url: 'wss://x' });
    const question: Promise<string | null | undefined> = devcontext.startInterview('a').then((started) => started.firstQuestion?.question);
    export function view(client: Client<'docproc'>) {
      const { modelResults, clarifications } = useTopic(client, 'x');
      return modelResults.map((one) => one.modelName).concat(clarifications.map((one) => one.question));
    }
    export type Any = Message<'saga'>['type'];
    export { all, question };
    // @ts-expect-error a misspelled option
    connect({ service: 'saga', url: 'wss://x', tokn: 'x' });
  `);
  for (const extra of [['--module', 'nodenext', '--moduleResolution', 'nodenext'], ['--module', 'esnext', '--moduleResolution', 'bundler']]) {
    const tsc = join(here, 'node_modules', '.bin', 'tsc');
    await run(tsc, ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--types', 'react', ...extra, path]).catch((error) => assert.fail(error.stdout));
  }
});
