// Logging, off until it is asked for. Never a token.

import { excerpt } from './frame.js';
import type { ClientOptions, Logger } from './types.js';

/** The log of a client. */
export class Log {
  readonly on: boolean;
  readonly #logger: Logger;
  readonly #frames: boolean;
  readonly #secrets = new Map<string, RegExp>();

  constructor({ debug, debugFrames }: ClientOptions) {
    this.#frames = debugFrames ?? false;
    this.#logger = typeof debug === 'function' ? debug : (level, text) => console[level](`steadfast: ${text}`);
    this.on = debug !== undefined ? debug !== false : stored();
  }

  /** This text must not be shown from now on. */
  secret(token: string): void {
    if (token === '' || this.#secrets.has(token)) return;
    this.#secrets.set(token, spelled(token));
    const [oldest = ''] = this.#secrets.keys();
    if (this.#secrets.size > 4) this.#secrets.delete(oldest);
  }

  /** One line. */
  debug(text: string): void {
    if (!this.on) return;
    for (const secret of this.#secrets.values()) text = text.replace(secret, '(token)');
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

/** Finds a text also where it is escaped for a URL, once or several times over, or for JSON. */
function spelled(secret: string): RegExp {
  const each = [...secret].map((c) => {
    const hex = c.charCodeAt(0).toString(16).padStart(2, '0');
    return `\\\\*(?:%(?:25)*${hex}|u00${hex}|${c.replace(/\W/, '\\$&')})`;
  });
  return new RegExp(each.join(''), 'gi');
}

function stored(): boolean {
  try {
    return (globalThis as { localStorage?: Storage }).localStorage?.getItem('steadfast') === 'debug';
  } catch {
    // A page that may not keep anything.
    return false;
  }
}
