// Debian's Firefox, headless, by WebDriver BiDi: it needs no driver program, and no build of its own as playwright does.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';

/** Starts one; `open(url)` gives a page with `evaluate(function, …arguments)`. */
export async function launch() {
  const profile = mkdtempSync(join(tmpdir(), 'firefox-'));
  const child = spawn(process.env.FIREFOX ?? 'firefox-esr', ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, HOME: profile, MOZ_DISABLE_CONTENT_SANDBOX: '1' },
  });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const address = await new Promise((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (data) => {
      said += data;
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    ended.then((code) => reject(new Error(`Firefox ended with ${code}: ${said}`)));
    child.on('error', reject);
  });
  const socket = new WebSocket(`${address}/session`);
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  const waiting = new Map();
  socket.on('message', (text) => {
    const { id, type, result, message } = JSON.parse(text);
    const ask = waiting.get(id);
    waiting.delete(id);
    if (type === 'error') ask?.reject(new Error(message));
    else ask?.resolve(result);
  });
  let count = 0;
  const send = (method, params) =>
    new Promise((resolve, reject) => {
      waiting.set(++count, { resolve, reject });
      socket.send(JSON.stringify({ id: count, method, params }));
    });
  await send('session.new', { capabilities: {} });
  return {
    async open(url) {
      const { context } = await send('browsingContext.create', { type: 'tab' });
      await send('browsingContext.navigate', { context, url, wait: 'complete' });
      return {
        async evaluate(run, ...all) {
          const expression = `(async () => JSON.stringify(await (${run})(...${JSON.stringify(all)})))()`;
          const { type, result, exceptionDetails } = await send('script.evaluate', { expression, target: { context }, awaitPromise: true });
          if (type === 'exception') throw new Error(exceptionDetails.text);
          return result.value === undefined ? undefined : JSON.parse(result.value);
        },
      };
    },
    async close() {
      await send('session.end', {}).catch(() => undefined);
      socket.close();
      child.kill();
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
