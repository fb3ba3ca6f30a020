// The browser programs of TherapyBridge and DevContext, in a page.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startMock, until, within } from './support/mock.mjs';
import { openPage } from './support/page.mjs';

const window = openPage();
const UUID = '550e8400-e29b-41d4-a716-446655440000';
const fail = UUID.replace('550e', 'fa11');

describe('TherapyBridge in a browser', () => {
  let mock;
  let token;
  before(async () => {
    mock = await startMock('--set', 'therapybridge.ping_interval=60ms');
    token = await mock.token('u1', 'therapist');
  });
  after(() => mock.stop());

  /** The page's program: one socket a session, heartbeats told from updates, closed at the end. */
  function connectToSession(sessionId, jwtToken) {
    const base = mock.url('therapybridge', 'ws');
    const query = jwtToken === undefined ? '' : `?token=${jwtToken}`;
    const ws = new WebSocket(`${base}/api/sessions/ws/${sessionId}${query}`);
    const seen = { open: false, pings: [], updates: [], errors: 0 };
    const closed = new Promise((resolve) => {
      ws.onclose = (event) => resolve({ code: event.code, reason: event.reason });
    });
    ws.onopen = () => {
      seen.open = true;
    };
    ws.onmessage = (event) => {
      const data = JSON.parse(event.data);
      if (data.type === 'ping') {
        seen.pings.push(data);
        return;
      }
      seen.updates.push(data);
      if (data.status === 'processed' || data.status === 'failed') ws.close();
    };
    ws.onerror = () => {
      seen.errors += 1;
    };
    return { ws, seen, closed: within('the close', closed) };
  }

  test('a session goes through its statuses within their ranges', async () => {
    const { seen, closed } = connectToSession(UUID, token);
    assert.equal((await closed).code, 1000);
    assert.ok(seen.open);
    const ranges = {
      uploading: [0, 20],
      transcribing: [20, 60],
      transcribed: [60, 60],
      extracting_notes: [60, 95],
      processed: [100, 100],
    };
    for (const update of seen.updates) {
      const [low, high] = ranges[update.status];
      assert.ok(update.progress >= low && update.progress <= high, `${update.status} ${update.progress}`);
      assert.equal(update.session_id, UUID);
      assert.ok(Number.isInteger(update.progress) && update.message && update.error === null);
      assert.ok(Date.parse(update.updated_at) >= Date.parse(update.created_at));
      const eta = update.estimated_time_remaining;
      assert.ok(eta === null || Number.isInteger(eta));
    }
    assert.deepEqual([...new Set(seen.updates.map((update) => update.status))], Object.keys(ranges));
    assert.ok(seen.pings.length > 0 && seen.pings.every((ping) => Date.parse(ping.timestamp)), 'heartbeats');
    assert.equal(seen.errors, 0);
  });

  test('a session that fails says why', async () => {
    const { seen, closed } = connectToSession(fail, token);
    await closed;
    const last = seen.updates.at(-1);
    assert.equal(last.status, 'failed');
    assert.ok(last.error.length > 0);
  });

  test('the current progress comes at once', async () => {
    const session = UUID.replace('550e', '0000');
    await mock.emit('therapybridge', session, { status: 'transcribing', progress: 45 });
    const { ws, seen, closed } = connectToSession(session, token);
    await until('the progress', () => seen.updates.length > 0);
    assert.equal(seen.updates[0].progress, 45);
    ws.close();
    await closed;
  });

  test('refusals close with 1008 and the documented reason', async () => {
    const patient = await mock.token('p1', 'patient');
    const inactive = await mock.token('inactive-1', 'patient');
    for (const [session, who, reason] of [
      [UUID, undefined, 'Authentication required'],
      [UUID, 'nonsense', 'Invalid authentication'],
      [UUID, inactive, 'Invalid authentication'],
      [UUID.replace('550e', '4040'), patient, 'Session not found'],
      [UUID.replace('550e', '4030'), patient, 'Not authorized to access this session'],
    ]) {
      assert.deepEqual(await connectToSession(session, who).closed, { code: 1008, reason });
    }
  });

  test('therapists and admins see any session, patients their own', async () => {
    const session = 'owned-by-p1';
    await mock.control('topics', { service: 'therapybridge', topic: session, owner: 'p1' });
    for (const [sub, role] of [['p1', 'patient'], ['t1', 'therapist'], ['a1', 'admin']]) {
      const { seen, closed } = connectToSession(session, await mock.token(sub, role));
      assert.equal((await closed).code, 1000, role);
      assert.equal(seen.updates.at(-1).status, 'processed');
    }
    const other = connectToSession(session, await mock.token('p2', 'patient'));
    assert.equal((await other.closed).reason, 'Not authorized to access this session');
  });

  test('a token comes from the login', async () => {
    const answer = await fetch(`${mock.url('therapybridge')}/api/v1/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email: 'therapist@example.com', password: 'secret' }),
    });
    const login = await answer.json();
    assert.equal(login.token_type, 'bearer');
    assert.ok(login.expires_in > 0);
    const { seen, closed } = connectToSession(UUID.replace('550e', '550f'), login.access_token);
    await closed;
    assert.equal(seen.updates.at(-1).status, 'processed');
  });

  test('a lost connection is told, and a new one goes on where the session stands', async () => {
    const first = connectToSession('session-again', token);
    await until('progress', () => first.seen.updates.length > 2);
    await mock.cut('therapybridge');
    assert.equal((await first.closed).code, 1006);
    const second = connectToSession('session-again', token);
    await second.closed;
    assert.ok(second.seen.updates[0].progress >= first.seen.updates.at(-1).progress);
    assert.equal(second.seen.updates.at(-1).status, 'processed');
  });
});

describe('DevContext in a browser', () => {
  let mock;
  let token;
  before(async () => {
    mock = await startMock();
    token = await mock.token();
  });
  after(() => mock.stop());

  test('each completed stage is fetched over REST', async () => {
    const ws = new WebSocket(`${mock.url('devcontext', 'ws')}/v1/ws`);
    const say = (type, payload) =>
      ws.send(JSON.stringify({ type, timestamp: new Date().toISOString(), payload }));
    const views = [];
    ws.onopen = () => {
      say('authenticate', { token });
      say('subscribe_analysis', { analysisId: 'analysis-1' });
    };
    ws.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.type !== 'stage_completed') return;
      const { analysisId, stage } = message.payload;
      const headers = { Authorization: `Bearer ${token}` };
      fetch(`${mock.url('devcontext')}/api/analysis/${analysisId}`, { headers })
        .then((answer) => answer.json())
        .then((data) => views.push([stage, data]));
    };
    await until('three stages', () => views.length === 3);
    for (const [stage, data] of views) {
      assert.equal(data.analysisId, 'analysis-1');
      assert.ok(data.completedStages.includes(stage));
      assert.ok(data.stages[stage]);
    }
    ws.close();
  });

  test('a browser whose token is bad is closed with 4401', async () => {
    const ws = new WebSocket(`${mock.url('devcontext', 'ws')}/v1/ws`);
    ws.onopen = () => ws.send(JSON.stringify({
      type: 'authenticate', timestamp: new Date().toISOString(), payload: { token: 'nonsense' },
    }));
    const closed = new Promise((resolve) => {
      ws.onclose = (event) => resolve(event.code);
    });
    assert.equal(await within('the close', closed), 4401);
  });
});

after(() => window.close());
