// Both documented lines of `wscat`, typed by a program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';
import { startMock, until } from './support/mock.mjs';

const wscat = createRequire(import.meta.url).resolve('wscat/bin/wscat');

/** Runs wscat; `shown()` is all it has written so far. */
function run(...options) {
  const child = spawn(process.execPath, [wscat, '--no-color', ...options], { stdio: 'pipe' });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (text += bytes));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  return {
    shown: () => text,
    type: (line) => child.stdin.write(`${line}\n`),
    shows: (part) => until(`“${part}” from wscat`, () => text.includes(part)),
    stop: async () => {
      child.kill();
      await gone;
    },
  };
}

describe('wscat', () => {
  let mock;
  before(async () => {
    mock = await startMock();
  });
  after(() => mock.stop());

  test('DocProc: wscat -c "ws://…/socket.io/?EIO=4&transport=websocket"', async () => {
    const terminal = run('-c', `${mock.url('docproc', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    try {
      await terminal.shows('"pingInterval":');
      terminal.type('40');
      await terminal.shows('40{"sid":');
      await terminal.shows('42["connected",');
      terminal.type('42["subscribe","session-by-hand"]');
      await terminal.shows('42["subscribed",{');
      await terminal.shows('42["progress",{');
    } finally {
      await terminal.stop();
    }
  });

  test('DevContext: wscat -c …/v1/ws -H "Authorization: Bearer …"', async () => {
    const url = `${mock.url('devcontext', 'ws')}/v1/ws`;
    const terminal = run('-c', url, '-H', `Authorization: Bearer ${await mock.token()}`);
    try {
      // Without a terminal it does not say that it is connected, and what is typed before is lost.
      await until('the connection', async () => (await mock.control('log?service=devcontext&what=authenticated')).length > 0);
      const message = { type: 'subscribe_analysis', timestamp: '2024-02-26T10:30:00Z', payload: { analysisId: 'test-id' } };
      terminal.type(JSON.stringify(message));
      await terminal.shows('"type":"subscription_confirmed"');
      await terminal.shows('"type":"stage_completed"');
      const received = terminal.shown().split('\n').find((line) => line.includes('"stage_completed"'));
      const { payload } = JSON.parse(received.slice(received.indexOf('{')));
      assert.equal(payload.stage, 'project_review');
      assert.equal(payload.progress, 33);
    } finally {
      await terminal.stop();
    }
  });

  test('DevContext without a good token is refused', async () => {
    const terminal = run('-c', `${mock.url('devcontext', 'ws')}/v1/ws`, '-H', 'Authorization: Bearer nonsense');
    try {
      await terminal.shows('401');
    } finally {
      await terminal.stop();
    }
  });
});
