// DocProc on the official Socket.IO server. Sessions `missing-…` do not exist; those named `quiet-…` say nothing until
// told to.
import { answer, body, common, pause, serve } from './common.mjs';

const sessions = new Map();
const questions = new Map();
const now = () => new Date().toISOString();

function progress(sessionId, status, percent, completed) {
  const prompts = { total: 3, completed, processing: status === 'PROCESSING' ? 1 : 0, pending: 0, failed: 0 };
  const hasResult = status === 'COMPLETED';
  const asked = { hasClarifications: true, clarificationCount: 1 };
  const latest = { sessionId, status, progress: percent, prompts, ...asked, hasResult, timestamp: now() };
  sessions.set(sessionId, latest);
  return latest;
}

async function work(io, sessionId) {
  const room = io.to(sessionId);
  const model = (modelName, status, result) =>
    room.emit('model_result', { sessionId, modelName, duration: 1200, result, status, timestamp: now() });
  room.emit('progress', progress(sessionId, 'ACTIVE', 0, 0));
  await pause(15);
  room.emit('progress', progress(sessionId, 'PROCESSING', 33.3, 1));
  model('llama3.1:8b', 'processing', '');
  await pause(15);
  model('llama3.1:8b', 'completed', 'An invoice.');
  const clarificationId = `question-of-${sessionId}`;
  const question = { sessionId, clarificationId, question: 'With or without tax?' };
  const answered = new Promise((resolve) => questions.set(clarificationId, resolve));
  room.emit('clarification', { ...question, status: 'pending', timestamp: now() });
  await answered;
  room.emit('clarification', { ...question, status: 'answered', timestamp: now() });
  await pause(15);
  room.emit('progress', progress(sessionId, 'COMPLETED', 100, 3));
  room.emit('completed', { sessionId, result: { total: 119.5 }, timestamp: now() });
}

const commands = {
  ...common,
  emit: (io) => io.to('quiet-1').emit('progress', progress('quiet-1', 'PROCESSING', 10, 0)),
  broken: (io) => io.to('quiet-1').emit('error', { sessionId: 'quiet-1', error: 'A model is away', timestamp: now() }),
};

const io = serve(async (request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  if (request.method === 'POST' && path === '/api/wizard/clarifications/respond') {
    const { clarificationId } = await body(request);
    const resolve = questions.get(clarificationId);
    if (!resolve) return answer(response, 404, { error: 'no such question' });
    resolve();
    return answer(response, 200, { clarificationId, status: 'answered' });
  }
  const found = sessions.get(/^\/api\/wizard\/session\/(.+)$/.exec(path)?.[1]);
  return found ? answer(response, 200, found) : answer(response, 404, { error: 'no such session' });
}, commands);

io.on('connection', (socket) => {
  socket.emit('connected', { socketId: socket.id, timestamp: now() });
  socket.on('unsubscribe', (sessionId) => {
    socket.leave(sessionId);
    socket.emit('unsubscribed', { sessionId, timestamp: now() });
  });
  socket.on('subscribe', (sessionId) => {
    if (sessionId.startsWith('missing-')) {
      return socket.emit('error', { sessionId, error: 'Session not found', timestamp: now() });
    }
    socket.join(sessionId);
    socket.emit('subscribed', { sessionId, timestamp: now() });
    if (sessions.has(sessionId) || sessionId.startsWith('quiet-')) return undefined;
    return work(io, sessionId);
  });
});
