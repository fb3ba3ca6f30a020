// Saga on the official Socket.IO server. Tokens `good-…` are good. Projects `denied-…` belong to somebody else;
// those named `quiet-…` say nothing until told to.
import { answer, common, pause, serve } from './common.mjs';

const told = new Set();

async function tell(io, projectId) {
  const [storyId, exportId] = [`story-of-${projectId}`, `export-of-${projectId}`];
  const ids = { projectId, storyId };
  const story = { id: storyId, title: 'The summer of 1962' };
  const interaction = { id: 'i1', type: 'question', content: 'Who took the picture?' };
  for (const [event, data] of [
    ['story_uploaded', { projectId, story, uploadedBy: 'Ada' }],
    ['story_processing', ids],
    ['transcript_updated', { ...ids, transcript: 'We drove to the sea …' }],
    ['story_processed', ids],
    ['interaction_added', { ...ids, interaction }],
    ['interaction_updated', { ...ids, interaction: { ...interaction, content: 'Who took it?' } }],
    ['export_started', { projectId, exportId }],
    ['export_progress', { projectId, exportId, progress: 50 }],
    ['export_ready', { projectId, exportId, downloadUrl: 'https://files.example/book.pdf' }],
  ]) {
    await pause(15);
    io.to(projectId).emit(event, data);
  }
}

const commands = {
  ...common,
  // An event this client does not know, with bytes in it.
  binary: (io) => io.emit('picture_added', { projectId: 'quiet-1', bytes: Buffer.from([1, 2, 3]) }),
  // One it knows, asking for an acknowledgement that it need not give.
  acknowledged: (io) =>
    io.sockets.sockets.forEach((socket) => socket.emit('story_processed', { projectId: 'quiet-1', storyId: 's1' }, () => {})),
  shutdown: async (io) => {
    io.emit('server_shutdown', { message: 'back in a minute' });
    await pause(20);
    common.close(io);
  },
  expire: async (io) => {
    io.emit('error', { code: 'TOKEN_EXPIRED', message: 'Token expired' });
    await pause(20);
    common.kick(io);
  },
};

const io = serve(
  (request, response) => {
    const totals = { totalConnections: io.engine.clientsCount, projectCount: told.size };
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path === '/api/websocket/health') {
      return answer(response, 200, { status: 'healthy', uptime: process.uptime(), ...totals });
    }
    if (path !== '/api/websocket/stats') return answer(response, 404, { error: 'no such page' });
    if (!request.headers.authorization?.startsWith('Bearer good-')) return answer(response, 401, { error: 'no token' });
    const rateLimitStats = { activeUsers: 1, rateLimitWindow: 60_000, maxEventsPerWindow: 100 };
    return answer(response, 200, { ...totals, userCount: 1, projectConnections: [], rateLimitStats });
  },
  commands,
);

io.use((socket, next) => {
  if (socket.handshake.auth.token?.startsWith('good-')) return next();
  return next(Object.assign(new Error('Authentication failed'), { data: { code: 'AUTH_FAILED' } }));
});

io.on('connection', (socket) => {
  socket.on('ping', () => socket.emit('pong'));
  socket.on('leave_project', (projectId) => {
    socket.leave(projectId);
    socket.emit('left_project', { projectId });
  });
  socket.on('join_project', (projectId) => {
    if (typeof projectId !== 'string' || projectId.startsWith('denied-')) {
      const message = 'You have no access to this project';
      return socket.emit('error', { code: 'PROJECT_ACCESS_DENIED', message, projectId });
    }
    socket.join(projectId);
    socket.emit('joined_project', { projectId });
    if (told.has(projectId) || projectId.startsWith('quiet-')) return undefined;
    told.add(projectId);
    return tell(io, projectId);
  });
});
