// Follows a whole DocProc session with the official client and answers its question over REST.
//
//   node docproc.mjs <url> <token or -> <session> [websocket|polling|upgrade]
//
// <url> is the service's base, for example http://127.0.0.1:8090/docproc. Needs `socket.io-client`, found from the
// working directory. Exit code 0 if all went as documented.
import { check, connect, leave, once, rest, transportOf } from './common.mjs';

const [url, token, session, mode = 'websocket'] = process.argv.slice(2);
const known = token && token !== '-';
const headers = { 'Content-Type': 'application/json', ...(known && { Authorization: `Bearer ${token}` }) };

const before = await rest(`${url}/api/wizard/session/${session}`, { headers });
check(before.sessionId === session, 'another session');

const socket = connect(url, mode, known ? { token } : undefined);
const models = new Map();
const statuses = [];
socket.on('progress', (data) => {
  check(data.prompts.total > 0 && data.progress >= 0 && data.progress <= 100, 'progress out of range');
  if (statuses.at(-1) !== data.status) statuses.push(data.status);
});
socket.on('model_result', (data) => models.set(data.modelName, data.status));
const greeting = once(socket, 'connected');
await once(socket, 'connect');
check((await greeting).socketId === socket.id, 'greeted as somebody else');

const question = once(socket, 'clarification', (data) => data.status === 'pending');
const answered = once(socket, 'clarification', (data) => data.status === 'answered');
const completed = once(socket, 'completed');
socket.emit('subscribe', session);
check((await once(socket, 'subscribed')).sessionId === session, 'subscribed another session');
const { clarificationId } = await question;
const body = JSON.stringify({ clarificationId, answer: 'Without tax.' });
const reply = await rest(`${url}/api/wizard/clarifications/respond`, { method: 'POST', headers, body });
check(reply.status === 'answered' && reply.clarificationId === clarificationId, 'the answer was not taken');
check((await answered).clarificationId === clarificationId, 'another question was answered');
check(Object.keys((await completed).result).length > 0, 'completed without a result');
check(statuses.join() === 'ACTIVE,PROCESSING,COMPLETED', `statuses in this order: ${statuses}`);
check(models.size >= 2 && [...models.values()].every((s) => s === 'completed'), 'a model did not complete');
check(transportOf(socket) === (mode === 'polling' ? 'polling' : 'websocket'), `over ${transportOf(socket)}`);
const after = await rest(`${url}/api/wizard/session/${session}`, { headers });
check(after.status === 'COMPLETED' && after.hasResult, 'not completed over REST');

socket.emit('subscribe', 'missing-1');
check((await once(socket, 'error')).error === 'Session not found', 'an unknown session was subscribed');
socket.emit('unsubscribe', session);
check((await once(socket, 'unsubscribed')).sessionId === session, 'unsubscribed another session');
await leave(socket);
