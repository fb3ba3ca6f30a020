// Charisma's recommended test scenarios, one test for each line, with npm's `ws`.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startMock, within } from './support/mock.mjs';
import { Peer } from './support/peer.mjs';

describe('Charisma: recommended test scenarios', () => {
  let mock;
  let url;
  let users = 0;
  before(async () => {
    mock = await startMock();
    url = `${mock.url('charisma', 'ws')}/ws`;
  });
  after(() => mock.stop());

  // One connection a user: each test is another user's.
  async function user() {
    users += 1;
    return { name: `user-${users}`, token: await mock.token(`user-${users}`) };
  }
  async function connect() {
    const { token } = await user();
    return Peer.open(url, { headers: { Authorization: `Bearer ${token}` } });
  }
  async function subscribe(peer, sessionId) {
    peer.send({ action: 'subscribe', payload: { sessionId } });
    assert.deepEqual(await peer.next(), {
      type: 'subscribed',
      sessionId,
      message: 'Subscribed to session updates',
    });
  }
  const about = (kind) => (message) => message.type === kind;

  test('Authentication success and failure', async (t) => {
    await t.test('success by header', async () => {
      const peer = await connect();
      await subscribe(peer, 'quiet-header');
      await peer.end();
    });
    await t.test('success by query parameter', async () => {
      const { token } = await user();
      const peer = await Peer.open(`${url}?token=${token}`);
      await subscribe(peer, 'quiet-query');
      await peer.end();
    });
    await t.test('success by message', async () => {
      const { token } = await user();
      const peer = await Peer.open(url);
      peer.send({ action: 'authenticate', payload: { token } });
      assert.deepEqual(await peer.next(), { type: 'authenticated', message: 'Authentication successful' });
      await subscribe(peer, 'quiet-message');
      await peer.end();
    });
    await t.test('failure by header and by query parameter: HTTP 401', async () => {
      const header = new Peer(url, { headers: { Authorization: 'Bearer nonsense' } });
      assert.equal(await within('refused', header.refused), 401);
      assert.equal(await within('refused', new Peer(`${url}?token=nonsense`).refused), 401);
    });
    await t.test('failure by message: close 4401', async () => {
      const peer = await Peer.open(url);
      peer.send({ action: 'authenticate', payload: { token: 'nonsense' } });
      assert.deepEqual(await within('close', peer.closed), { code: 4401, reason: 'Invalid authentication' });
    });
    await t.test('failure of whoever subscribes without a token: close 4401', async () => {
      const peer = await Peer.open(url);
      peer.send({ action: 'subscribe', payload: { sessionId: 'quiet-stranger' } });
      assert.deepEqual(await within('close', peer.closed), { code: 4401, reason: 'Authentication required' });
    });
    await t.test('failure of a token that has expired', async () => {
      const { name } = await user();
      const token = await mock.token(name, undefined, '1s');
      const peer = await Peer.open(url, { headers: { Authorization: `Bearer ${token}` } });
      await new Promise((resolve) => setTimeout(resolve, 2_100)); // exp is in whole seconds
      peer.send({ action: 'subscribe', payload: { sessionId: 'quiet-late' } });
      const refusal = await peer.next();
      assert.equal(refusal.error.code, 'UNAUTHORIZED');
      assert.equal(refusal.sessionId, undefined);
      assert.equal((await within('close', peer.closed)).code, 4401);
    });
  });

  test('Subscription and unsubscription behavior', async () => {
    const peer = await connect();
    await subscribe(peer, 'quiet-1');
    await subscribe(peer, 'quiet-1'); // already subscribed is success
    await mock.emit('charisma', 'quiet-1', { status: 'uploading' });
    assert.equal((await peer.next()).sessionId, 'quiet-1');
    assert.ok(await peer.silent(), 'one event, however often it was subscribed');
    peer.send({ action: 'unsubscribe', payload: { sessionId: 'quiet-1' } });
    assert.deepEqual(await peer.next(), {
      type: 'unsubscribed',
      sessionId: 'quiet-1',
      message: 'Unsubscribed from session updates',
    });
    await mock.emit('charisma', 'quiet-1', { status: 'complete' });
    assert.ok(await peer.silent(), 'nothing after unsubscribing');
    await peer.end();
  });

  test('Session status updates', async () => {
    const peer = await connect();
    await subscribe(peer, 'session_status');
    const complete = (message) => message.status === 'complete';
    const updates = (await peer.upTo(complete)).filter(about('session_status'));
    const statuses = [...new Set(updates.map((update) => update.status))];
    assert.deepEqual(statuses, ['uploading', 'analysis_in_progress', 'verifying_ocr', 'complete']);
    assert.ok(updates.every((update) => update.sessionId === 'session_status'));
    for (const { progress } of updates) assert.ok(progress === undefined || (progress >= 0 && progress <= 1));
    const { ocrResult, screenshotUrl } = updates.find((update) => update.status === 'verifying_ocr');
    assert.ok(ocrResult.length > 0);
    for (const { id, text, author } of ocrResult) {
      assert.ok(id && text);
      assert.ok(['contact', 'user'].includes(author));
    }
    assert.ok(new URL(screenshotUrl));
    await peer.end();
  });

  test('Upload progress events', async () => {
    const peer = await connect();
    await subscribe(peer, 'session_upload');
    const done = (message) => message.type === 'session_status';
    const uploads = (await peer.upTo(done)).filter(about('session_upload_progress'));
    const progress = uploads.map((update) => update.progress);
    assert.ok(progress.length >= 10 && progress.length <= 20, `${progress.length} events`);
    assert.deepEqual(progress, [...progress].sort((a, b) => a - b));
    assert.equal(progress[0], 0);
    assert.equal(progress.at(-1), 1);
    await peer.end();
  });

  test('Error handling (`session_error`, malformed messages)', async (t) => {
    const peer = await connect();
    await t.test('a session that fails', async () => {
      await subscribe(peer, 'fail-1');
      assert.deepEqual(await peer.until(about('session_error')), {
        type: 'session_error',
        sessionId: 'fail-1',
        status: 'error',
        error: { code: 'OCR_FAILED', message: 'Failed to analyze screenshot' },
      });
    });
    await t.test('a session that does not exist, and one of somebody else', async () => {
      for (const [sessionId, code] of [['missing-1', 'SESSION_NOT_FOUND'], ['denied-1', 'FORBIDDEN']]) {
        peer.send({ action: 'subscribe', payload: { sessionId } });
        const refusal = await peer.next();
        assert.equal(refusal.type, 'session_error');
        assert.equal(refusal.sessionId, sessionId);
        assert.equal(refusal.error.code, code);
      }
    });
    const malformed = ['', '{"action":', '[]', '{}', '{"action":"dance"}', '{"action":"subscribe"}'];
    for (const text of [...malformed, '{"action":"subscribe","payload":{"sessionId":7}}']) {
      await t.test(`the malformed message \`${text}\``, async () => {
        peer.send(text);
        const refusal = await peer.next();
        assert.equal(refusal.type, 'session_error');
        assert.equal(refusal.status, 'error');
        assert.equal(refusal.sessionId, undefined);
        assert.equal(refusal.error.code, 'INVALID_MESSAGE');
      });
    }
    await t.test('after all this the connection still works', async () => {
      await subscribe(peer, 'quiet-after');
      await peer.end();
    });
  });

  test('Reconnection and resubscription flow', async () => {
    const { token } = await user();
    const options = { headers: { Authorization: `Bearer ${token}` } };
    const first = await Peer.open(url, options);
    await subscribe(first, 'session_again');
    await first.next();
    await mock.cut('charisma');
    assert.equal((await within('the loss', first.closed)).code, 1006);
    const second = await Peer.open(url, options);
    await subscribe(second, 'session_again');
    const last = await second.until((message) => message.status === 'complete');
    assert.equal(last.sessionId, 'session_again');
    await second.end();
  });

  test('Per user one active connection: the older one is replaced', async () => {
    const { token } = await user();
    const options = { headers: { Authorization: `Bearer ${token}` } };
    const older = await Peer.open(url, options);
    const newer = await Peer.open(url, options);
    assert.equal((await within('close', older.closed)).code, 4409);
    await subscribe(newer, 'quiet-newer');
    await newer.end();
  });
});
