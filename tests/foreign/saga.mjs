// Follows a whole Saga project with the official client, then what the service refuses.
//
//   node saga.mjs <url> <token> <project> [websocket|polling|upgrade]
//
// <url> is the service's base, for example http://127.0.0.1:8090/saga. Needs `socket.io-client`, found from the
// working directory. Exit code 0 if all went as documented.
import { check, connect, leave, once, rest, transportOf } from './common.mjs';

const [url, token, project, mode = 'websocket'] = process.argv.slice(2);
const expected = [
  'story_uploaded', 'story_processing', 'transcript_updated', 'story_processed', 'interaction_added',
  'interaction_updated', 'export_started', 'export_progress', 'export_ready',
];

const refused = connect(url, mode, { token: 'nonsense' });
const error = await once(refused, 'connect_error');
check(error.message === 'Authentication failed', `message ${error.message}`);
check(error.data?.code === 'AUTH_FAILED', `code ${error.data?.code}`);
refused.disconnect();

const socket = connect(url, mode, { token });
const seen = [];
socket.onAny((name, data) => {
  if (!expected.includes(name)) return;
  check(data.projectId === project, `${name} without its project`);
  if (!seen.includes(name)) seen.push(name);
});
await once(socket, 'connect');
const ready = once(socket, 'export_ready');
socket.emit('join_project', project);
check((await once(socket, 'joined_project')).projectId === project, 'joined another project');
const told = await ready;
check(typeof told.downloadUrl === 'string', 'an export without its address');
check(seen.join() === expected.join(), `events in this order: ${seen}`);
check(transportOf(socket) === (mode === 'polling' ? 'polling' : 'websocket'), `over ${transportOf(socket)}`);

socket.emit('ping');
await once(socket, 'pong');
socket.emit('join_project', 'missing-1');
check((await once(socket, 'error')).code === 'PROJECT_ACCESS_DENIED', 'an unknown project was joined');
socket.emit('leave_project', project);
check((await once(socket, 'left_project')).projectId === project, 'left another project');

const health = await rest(`${url}/api/websocket/health`);
check(health.status === 'healthy', 'not healthy');
const stats = await rest(`${url}/api/websocket/stats`, { headers: { Authorization: `Bearer ${token}` } });
check(stats.rateLimitStats.rateLimitWindow === 60000, 'another window');
await leave(socket);
