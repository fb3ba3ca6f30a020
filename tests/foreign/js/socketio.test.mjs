// Saga and DocProc through the official client, npm's `socket.io-client`, over each transport.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { io } from 'socket.io-client';
import { startMock, within } from './support/mock.mjs';

const TRANSPORTS = {
  websocket: { order: ['websocket', 'polling'], ends: 'websocket' },
  polling: { order: ['polling'], ends: 'polling' },
  upgrade: { order: ['polling', 'websocket'], ends: 'websocket' },
};
const STORY = ['story_uploaded', 'story_processing', 'transcript_updated', 'story_processed'];
const INTERACTION = ['interaction_added', 'interaction_updated'];
const EXPORT = ['export_started', 'export_progress', 'export_ready'];

function client(mock, service, options) {
  return io(mock.base, { path: `/${service}/socket.io/`, forceNew: true, reconnection: false, ...options });
}

/** The next event of this name, the first that fits. */
function once(socket, name, fits = () => true) {
  const arrived = new Promise((resolve) => {
    const listener = (data) => {
      if (!fits(data)) return;
      socket.off(name, listener);
      resolve(data);
    };
    socket.on(name, listener);
  });
  return within(name, arrived);
}

async function json(url, options) {
  const answer = await fetch(url, options);
  assert.ok(answer.ok, `${url}: HTTP ${answer.status}`);
  return answer.json();
}

async function leave(socket) {
  const gone = once(socket, 'disconnect');
  socket.disconnect();
  assert.equal(await gone, 'io client disconnect');
}

async function join(socket, projectId) {
  const joined = once(socket, 'joined_project');
  socket.emit('join_project', projectId);
  assert.deepEqual(await joined, { projectId });
}

async function subscribe(socket, sessionId) {
  const subscribed = once(socket, 'subscribed', (data) => data.sessionId === sessionId);
  socket.emit('subscribe', sessionId);
  assert.ok(!Number.isNaN(Date.parse((await subscribed).timestamp)));
}

describe('Saga through socket.io-client', () => {
  let mock;
  let token;
  before(async () => {
    mock = await startMock();
    token = await mock.token('u1', 'storyteller');
  });
  after(() => mock.stop());

  for (const [name, { order, ends }] of Object.entries(TRANSPORTS)) {
    test(`follows a project from story to export (${name})`, async () => {
      const socket = client(mock, 'saga', { auth: { token }, transports: order });
      const events = [];
      socket.onAny((event, data) => events.push([event, data]));
      await once(socket, 'connect');
      const ready = once(socket, 'export_ready');
      await join(socket, `project-${name}`);
      const told = await ready;
      assert.ok(told.downloadUrl && told.exportId);
      const ours = events.filter(([event]) => event !== 'joined_project');
      assert.deepEqual([...new Set(ours.map(([event]) => event))], [...STORY, ...INTERACTION, ...EXPORT]);
      assert.ok(ours.every(([, data]) => data.projectId === `project-${name}`), 'each event names its project');
      const [, { story, uploadedBy }] = ours[0];
      assert.ok(story.id && story.title && uploadedBy);
      assert.equal(socket.io.engine.transport.name, ends);

      const left = once(socket, 'left_project');
      socket.emit('leave_project', `project-${name}`);
      assert.deepEqual(await left, { projectId: `project-${name}` });
      await leave(socket);
    });

    test(`refuses a connection without a good token (${name})`, async () => {
      for (const auth of [undefined, {}, { token: 'nonsense' }]) {
        const socket = client(mock, 'saga', { auth, transports: order });
        const error = await once(socket, 'connect_error');
        assert.equal(error.message, 'Authentication failed');
        assert.deepEqual(error.data, { code: 'AUTH_FAILED' });
        socket.disconnect();
      }
    });
  }

  test('rejects unauthorized access attempts with error events', async () => {
    const socket = client(mock, 'saga', { auth: { token } });
    await once(socket, 'connect');
    for (const project of ['missing-1', 'denied-1']) {
      const refused = once(socket, 'error');
      socket.emit('join_project', project);
      const error = await refused;
      assert.equal(error.code, 'PROJECT_ACCESS_DENIED');
      assert.ok(error.message);
    }
    await leave(socket);
  });

  test('lets facilitators and storytellers join and no other role', async () => {
    const visitor = client(mock, 'saga', { auth: { token: await mock.token('u2', 'patient') } });
    await once(visitor, 'connect');
    const refused = once(visitor, 'error');
    visitor.emit('join_project', 'quiet-roles');
    assert.equal((await refused).code, 'PROJECT_ACCESS_DENIED');
    await leave(visitor);
    const facilitator = client(mock, 'saga', { auth: { token: await mock.token('u3', 'facilitator') } });
    await once(facilitator, 'connect');
    await join(facilitator, 'quiet-roles');
    await leave(facilitator);
  });

  test('tells that an export failed', async () => {
    const socket = client(mock, 'saga', { auth: { token } });
    await once(socket, 'connect');
    const failed = once(socket, 'export_failed');
    await join(socket, 'fail-1');
    const { projectId, exportId, error } = await failed;
    assert.equal(projectId, 'fail-1');
    assert.ok(exportId && error);
    await leave(socket);
  });

  test('answers the application ping and rejects excess events', async () => {
    const socket = client(mock, 'saga', { auth: { token: await mock.token('busy', 'storyteller') } });
    await once(socket, 'connect');
    const pong = once(socket, 'pong');
    socket.emit('ping');
    await pong;
    const refused = once(socket, 'error');
    for (let i = 0; i < 100; i += 1) socket.emit('ping');
    const { code, message } = await refused;
    assert.equal(code, 'RATE_LIMIT_EXCEEDED');
    assert.equal(message, 'rate_limit_exceeded');
    await leave(socket);
  });

  test('comes back by itself after a lost connection and joins again', async () => {
    const socket = client(mock, 'saga', {
      auth: { token },
      transports: ['websocket'],
      reconnection: true,
      reconnectionAttempts: 5,
      reconnectionDelay: 50,
    });
    await once(socket, 'connect');
    await join(socket, 'quiet-back');
    const lost = once(socket, 'disconnect');
    const back = once(socket, 'connect');
    await mock.cut('saga');
    assert.ok(['transport close', 'transport error'].includes(await lost));
    await back;
    await join(socket, 'quiet-back');
    const processed = once(socket, 'story_processed');
    await mock.emit('saga', 'quiet-back', { storyId: 's1' }, 'story_processed');
    assert.equal((await processed).storyId, 's1');
    await leave(socket);
  });

  test('says when a token expires, and disconnects', async () => {
    const short = await mock.token('short', 'storyteller');
    const socket = client(mock, 'saga', { auth: { token: short } });
    await once(socket, 'connect');
    const told = once(socket, 'error');
    const gone = once(socket, 'disconnect');
    await mock.fault({ service: 'saga', user: 'short', when: 'now' }, { do: 'expire_token' });
    assert.equal((await told).code, 'TOKEN_EXPIRED');
    assert.equal(await gone, 'io server disconnect');
  });

  test('tells its health to everybody and its statistics to users', async () => {
    const health = await json(`${mock.url('saga')}/api/websocket/health`);
    assert.equal(health.status, 'healthy');
    const statistics = `${mock.url('saga')}/api/websocket/stats`;
    assert.equal((await fetch(statistics)).status, 401);
    const stats = await json(statistics, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(typeof stats.totalConnections, 'number');
    assert.ok(Array.isArray(stats.projectConnections));
    assert.equal(stats.rateLimitStats.rateLimitWindow, 60_000);
    assert.equal(stats.rateLimitStats.maxEventsPerWindow, 100);
  });
});

describe('DocProc through socket.io-client', () => {
  let mock;
  before(async () => {
    mock = await startMock();
  });
  after(() => mock.stop());

  for (const [name, { order, ends }] of Object.entries(TRANSPORTS)) {
    test(`follows a session, answers its question and completes (${name})`, async () => {
      const session = `session-${name}`;
      const socket = client(mock, 'docproc', { transports: order });
      const statuses = [];
      const models = new Map();
      socket.on('progress', (data) => {
        assert.ok(data.progress >= 0 && data.progress <= 100 && data.prompts.total > 0);
        if (statuses.at(-1) !== data.status) statuses.push(data.status);
      });
      socket.on('model_result', (data) => {
        assert.ok(data.duration >= 0);
        models.set(data.modelName, data.status);
      });
      const greeting = once(socket, 'connected');
      await once(socket, 'connect');
      assert.equal((await greeting).socketId, socket.id);

      const pending = once(socket, 'clarification', (data) => data.status === 'pending');
      const answered = once(socket, 'clarification', (data) => data.status === 'answered');
      const completed = once(socket, 'completed');
      await subscribe(socket, session);
      const { clarificationId, question } = await pending;
      assert.ok(question);
      const reply = await json(`${mock.url('docproc')}/api/wizard/clarifications/respond`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ clarificationId, answer: 'Without tax.' }),
      });
      assert.deepEqual(reply, { clarificationId, status: 'answered' });
      assert.equal((await answered).clarificationId, clarificationId);
      const { sessionId, result } = await completed;
      assert.equal(sessionId, session);
      assert.ok(Object.keys(result).length > 0);
      assert.deepEqual(statuses, ['ACTIVE', 'PROCESSING', 'COMPLETED']);
      assert.ok(models.size >= 2 && [...models.values()].every((status) => status === 'completed'));
      assert.equal(socket.io.engine.transport.name, ends);

      const unsubscribed = once(socket, 'unsubscribed');
      socket.emit('unsubscribe', session);
      assert.equal((await unsubscribed).sessionId, session);
      await leave(socket);
    });

    test(`refuses sessions that are not there or not allowed (${name})`, async () => {
      const socket = client(mock, 'docproc', { transports: order });
      await once(socket, 'connect');
      for (const [session, text] of [['missing-1', 'Session not found'], ['denied-1', 'Not allowed']]) {
        const refused = once(socket, 'error');
        socket.emit('subscribe', session);
        const { sessionId, error, timestamp } = await refused;
        assert.equal(sessionId, session);
        assert.equal(error, text);
        assert.ok(timestamp);
      }
      await leave(socket);
    });
  }

  test('keeps several sessions of one connection apart', async () => {
    const socket = client(mock, 'docproc');
    await once(socket, 'connect');
    const sessions = ['quiet-1', 'quiet-2', 'quiet-3'];
    for (const session of sessions) await subscribe(socket, session);
    const seen = [];
    socket.on('progress', (data) => seen.push([data.sessionId, data.progress]));
    for (const [position, session] of sessions.entries()) {
      const arrived = once(socket, 'progress', (data) => data.sessionId === session);
      await mock.emit('docproc', session, { status: 'PROCESSING', progress: position * 10 }, 'progress');
      await arrived;
    }
    assert.deepEqual(seen, [['quiet-1', 0], ['quiet-2', 10], ['quiet-3', 20]]);
    await leave(socket);
  });

  test('combines with REST: the state first, then the updates', async () => {
    const state = await json(`${mock.url('docproc')}/api/wizard/session/combined`);
    assert.equal(state.sessionId, 'combined');
    const socket = client(mock, 'docproc');
    await once(socket, 'connect');
    const moved = once(socket, 'progress', (data) => data.progress > state.progress);
    await subscribe(socket, 'combined');
    await moved;
    await leave(socket);
  });

  test('reconnects with the documented strategy and subscribes again', async () => {
    const socket = client(mock, 'docproc', {
      reconnection: true,
      reconnectionAttempts: 5,
      reconnectionDelay: 50,
      reconnectionDelayMax: 5_000,
      timeout: 20_000,
    });
    socket.on('connect', () => socket.emit('subscribe', 'quiet-back'));
    await once(socket, 'subscribed');
    const attempts = within('reconnect', new Promise((resolve) => socket.io.once('reconnect', resolve)));
    const again = once(socket, 'subscribed');
    await mock.cut('docproc');
    assert.ok((await attempts) >= 1);
    assert.equal((await again).sessionId, 'quiet-back');
    await leave(socket);
  });

  test('falls back to polling where WebSockets are refused', async () => {
    await mock.fault({ service: 'docproc', type: 'websocket', when: 'upgrade' }, { do: 'refuse', status: 400 });
    const socket = client(mock, 'docproc', { transports: ['websocket', 'polling'], tryAllTransports: true });
    await once(socket, 'connect');
    await subscribe(socket, 'quiet-fallback');
    await leave(socket);
  });

  test('asks for a token where one is required, in the payload, the query or a header', async () => {
    const strict = await startMock('--set', 'docproc.auth=on');
    try {
      const token = await strict.token();
      for (const options of [
        { auth: { token } },
        { query: { token } },
        { extraHeaders: { Authorization: `Bearer ${token}` } },
      ]) {
        const socket = client(strict, 'docproc', options);
        await once(socket, 'connect');
        await leave(socket);
      }
      const stranger = client(strict, 'docproc');
      assert.equal((await once(stranger, 'connect_error')).message, 'Authentication failed');
      stranger.disconnect();
    } finally {
      await strict.stop();
    }
  });
});
