// WebSockets: the global class, an injected one, or that of the package `ws`.

import type { Output } from './core.js';
import { retryAfter } from './http.js';
import { message } from './token.js';
import { ConfigError, type WebSocketClass, type WebSocketLike } from './types.js';

type Open = Extract<Output, { do: 'open' }>;

/** What happens on sockets. */
export interface SocketEvents {
  opened(id: number): void;
  frame(id: number, text: string, bytes: number, stamp: number): void;
  binary(id: number, bytes: number): void;
  closed(id: number, code: number, reason: string): void;
  refused(id: number, status: number, retryAfter: number): void;
  tooLarge(id: number): void;
  lost(id: number, why: string): void;
}

let fallback: WebSocketClass | undefined;

/** Sets the class that is used where there is no global one. */
export function useWebSocket(socket: WebSocketClass | undefined): void {
  fallback = socket;
}

/** The class to use. */
export function webSocketClass(given: WebSocketClass | undefined): WebSocketClass {
  const found = given ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket ?? fallback;
  if (!found) {
    throw new ConfigError(
      'WebSocket',
      'this place has no WebSocket. In Node before 22: `npm i ws`, or hand a class in by the option `WebSocket`',
    );
  }
  return found;
}

/** What the sockets of `ws` are besides. */
export interface Emitter {
  on(name: 'unexpected-response', then: (request: { destroy(): void }, response: Refusal) => void): void;
}
interface Refusal {
  statusCode: number;
  headers: Record<string, string | undefined>;
}

const ignore = (): void => {};
/** How many bytes may wait to be sent, as on every host. */
const WRITE_BUFFER = 2 * 1024 * 1024;

/** The open sockets of a client. */
export class Sockets {
  readonly #events: SocketEvents;
  readonly #class: WebSocketClass;
  readonly #open = new Map<number, WebSocketLike>();
  #held = true;

  constructor(events: SocketEvents, socket: WebSocketClass) {
    this.#events = events;
    this.#class = socket;
  }

  /** Opens one. */
  open({ id, url, protocols, max }: Open): void {
    const events = this.#events;
    let socket: WebSocketLike;
    try {
      socket = protocols.length > 0 ? new this.#class(url, protocols) : new this.#class(url);
    } catch (error) {
      queueMicrotask(() => events.closed(id, 1006, message(error)));
      return;
    }
    this.#open.set(id, socket);
    (socket as Partial<Emitter>).on?.('unexpected-response', (request, { statusCode, headers }) => {
      this.#forget(id, socket);
      events.refused(id, statusCode, retryAfter(headers['retry-after'] ?? null));
      request.destroy();
    });
    let trouble = '';
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.#ref(socket);
      events.opened(id);
    };
    // The reason of a failure follows with `close`; a browser says nothing here, `ws` does.
    socket.onerror = (event: { message?: string }) => {
      trouble = event?.message ?? '';
    };
    socket.onclose = (event: { code?: number; reason?: string }) => {
      this.#forget(id, socket);
      const code = event?.code ?? 1006;
      events.closed(id, code, event?.reason || (code === 1006 ? trouble : ''));
    };
    socket.onmessage = (event: { data: unknown; timeStamp?: number }) => {
      const data = event.data;
      const bytes = typeof data === 'string' ? length(data, max) : ((data as ArrayBuffer).byteLength ?? 0);
      if (bytes > max) {
        this.close(id, 4009);
        events.tooLarge(id);
      } else if (typeof data === 'string') {
        events.frame(id, data, bytes, event.timeStamp ?? NaN);
      } else {
        events.binary(id, bytes);
      }
    };
  }

  /** Sends a text. A server that does not read has its connection ended before too much waits for it. */
  send(id: number, text: string): void {
    const socket = this.#open.get(id);
    if (socket?.readyState !== 1) return;
    const waiting = socket.bufferedAmount ?? 0;
    if (waiting + text.length <= WRITE_BUFFER) return socket.send(text);
    this.close(id, 4000);
    queueMicrotask(() => this.#events.lost(id, `the server does not read: ${waiting} bytes wait for it`));
  }

  /** Closes a socket and forgets it. */
  close(id: number, code: number): void {
    const socket = this.#open.get(id);
    if (!socket) return;
    this.#forget(id, socket);
    try {
      socket.close(code);
    } catch {
      // It was never opened, and this class does not close what is not open.
    }
  }

  /** Lets a Node process end while these sockets are open, or not. Only `ws` can. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    for (const socket of this.#open.values()) this.#ref(socket);
  }

  #ref(socket: WebSocketLike): void {
    (socket as { _socket?: { ref?(): void; unref?(): void } })._socket?.[this.#held ? 'ref' : 'unref']?.();
  }

  #forget(id: number, socket: WebSocketLike): void {
    this.#open.delete(id);
    socket.onopen = socket.onmessage = socket.onclose = null;
    // `ws` throws an error that nobody listens to.
    socket.onerror = ignore;
  }
}

/** The length in bytes: counted where it may matter, else the number of UTF-16 units, which costs nothing. */
function length(text: string, max: number): number {
  return text.length * 3 <= max ? text.length : new TextEncoder().encode(text).length;
}
