// A server that speaks as much of Charisma as a client needs, and says and does what a test wants.
import { once } from 'node:events';
import { connect } from 'steadfast';
import { onTestFinished } from 'vitest';
import { WebSocketServer } from 'ws';

/** A client that is closed with its test, and quick to come back. */
export function open(options) {
  const client = connect({ service: 'charisma', url: 'ws://127.0.0.1:1', token: 'a-token', baseDelay: 20, maxDelay: 50, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** A server that ends with its test. `subscribed(socket, topic)` is called behind each confirmation. */
export async function serve(subscribed = () => {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.send('{"type":"authenticated","userId":"u1","message":"ok"}');
    socket.on('message', (data) => {
      const { action, payload } = JSON.parse(data);
      if (action === 'subscribe') {
        socket.send(JSON.stringify({ type: 'subscribed', sessionId: payload.sessionId }));
        subscribed(socket, payload.sessionId);
      } else if (action === 'unsubscribe') {
        socket.send(JSON.stringify({ type: 'unsubscribed', sessionId: payload.sessionId }));
      }
    });
  });
  onTestFinished(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return {
    url: `ws://127.0.0.1:${server.address().port}`,
    sockets: server.clients,
    /** Says something about a topic on every connection. */
    say: (topic, more) => {
      for (const socket of server.clients) socket.send(JSON.stringify({ type: 'session_status', sessionId: topic, status: 'transcribing', ...more }));
    },
  };
}
