// The official Socket.IO server, scripted in tests/foreign/server: its own process on a free port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Starts the server of this name; `tell(command)` has it do something and waits until it is done. */
export async function startOfficial(name) {
  const file = fileURLToPath(new URL(`../../foreign/server/${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the official server of ${name} ended: npm ci in tests/foreign?`);
    return value;
  };
  const url = `http://127.0.0.1:${await next()}`;
  return {
    url,
    async tell(command) {
      child.stdin.write(`${command}\n`);
      const answer = await next();
      if (answer !== `done ${command}`) throw new Error(`${command} was answered by ${answer}`);
    },
    async stop() {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
}
