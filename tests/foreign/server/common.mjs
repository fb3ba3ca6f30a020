// What the scripted services share: the official server on a free port, and a way to be told what to do.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Starts the official server. The first line of standard output is its port; each line of standard input calls the
 * command of that name, and the line `done <name>` follows when it has been carried out. Ends with standard input.
 */
export function serve(http, commands, options) {
  const server = createServer(http);
  const io = new Server(server, { path: '/socket.io/', pingInterval: 300, pingTimeout: 2_000, ...options });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  let rest = '';
  process.stdin.on('data', async (bytes) => {
    const lines = (rest + bytes).split('\n');
    rest = lines.pop();
    for (const name of lines) {
      await commands[name](io);
      console.log(`done ${name}`);
    }
  });
  process.stdin.on('end', () => process.exit(0));
  return io;
}

/** Commands that any service has. */
export const common = {
  // The connections end as they do when a proxy dies.
  cut: (io) => io.fetchSockets().then((sockets) => sockets.forEach((socket) => io.sockets.sockets.get(socket.id).conn.transport.socket.terminate())),
  // The engine says goodbye.
  close: (io) => io.sockets.sockets.forEach((socket) => socket.conn.close()),
  // Socket.IO says goodbye.
  kick: (io) => io.sockets.sockets.forEach((socket) => socket.disconnect(true)),
};

/** The body of a request, as JSON. */
export async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return JSON.parse(text);
}

/** Answers a request with JSON. */
export function answer(response, status, value) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
}
