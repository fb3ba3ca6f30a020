// Logging, off until it is asked for. Never a token.

import { excerpt } from './frame.js';
import type { ClientOptions, Logger } from './types.js';

/** The log of a client. */
export class Log {
  readonly on: boolean;
  readonly #logger: Logger;
  readonly #frames: boolean;
  readonly #secrets: string[] = [];

  constructor({ debug, debugFrames }: ClientOptions) {
    this.#frames = debugFrames ?? false;
    this.#logger = typeof debug === 'function' ? debug : (level, text) => console[level](`steadfast: ${text}`);
    this.on = debug !== undefined ? debug !== false : stored();
  }

  /** This text must not be shown from now on. */
  secret(token: string): void {
    if (token === '' || this.#secrets.includes(token)) return;
    this.#secrets.push(token);
    if (this.#secrets.length > 4) this.#secrets.shift();
  }

  /** One line. */
  debug(text: string): void {
    if (!this.on) return;
    for (const secret of this.#secrets) text = text.replaceAll(secret, '(token)');
    try {
      this.#logger('debug', text);
    } catch {
      // A log that fails is no reason to fail.
    }
  }

  /** A frame that arrived. */
  frame(socket: number, name: string, topic: string | undefined, bytes: number, text: string): void {
    const what = `frame ${name || '(handshake or heartbeat)'}${topic === undefined ? '' : ` of ${topic}`}, ${bytes} bytes, socket ${socket}`;
    this.debug(this.#frames ? `${what}: ${excerpt(text, 4096)}` : what);
  }

  /** Something the machine tells. */
  event(event: { type: string; [key: string]: unknown }): void {
    this.debug(JSON.stringify(event));
  }
}

function stored(): boolean {
  try {
    return (globalThis as { localStorage?: Storage }).localStorage?.getItem('steadfast') === 'debug';
  } catch {
    // A page that may not keep anything.
    return false;
  }
}
