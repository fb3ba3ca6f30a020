// Logging, off until it is asked for. Never a token.

import { excerpt } from './frame.js';
import type { ClientOptions, Logger } from './types.js';

/** The log of a client. */
export class Log {
  readonly on: boolean;
  readonly #logger: Logger;
  readonly #frames: boolean;
  readonly #secrets = new Set<string>();

  constructor({ debug, debugFrames }: ClientOptions) {
    this.#frames = debugFrames ?? false;
    this.#logger = typeof debug === 'function' ? debug : (level, text) => console[level](`steadfast: ${text}`);
    this.on = debug !== undefined ? debug !== false : stored();
  }

  /** This text must not be shown from now on. */
  secret(token: string): void {
    const secret = plain(token);
    // A shorter one is part of half the words there are.
    if (secret.length < 4) return;
    this.#secrets.add(secret);
    const [oldest = ''] = this.#secrets;
    if (this.#secrets.size > 4) this.#secrets.delete(oldest);
  }

  /** One line. */
  debug(text: string): void {
    if (!this.on) return;
    try {
      this.#logger('debug', this.#blot(text));
    } catch {
      // A log that fails is no reason to fail.
    }
  }

  /** A frame that arrived. */
  frame(socket: number, name: string, topic: string | undefined, bytes: number, text: string): void {
    const what = `frame ${name || '(handshake or heartbeat)'}${topic === undefined ? '' : ` of ${topic}`}, ${bytes} bytes, socket ${socket}`;
    // A token is found only as a whole: before the text is cut.
    this.debug(this.#frames ? `${what}: ${excerpt(this.#blot(text), 4096)}` : what);
  }

  /** Something the machine tells. */
  event(event: { type: string; [key: string]: unknown }): void {
    this.debug(JSON.stringify(event));
  }

  /** The text without tokens; one that holds a token is shown without escapes. */
  #blot(text: string): string {
    const all = plain(text);
    let shown = all;
    for (const secret of this.#secrets) shown = shown.replaceAll(secret, '(token)');
    return shown === all ? text : shown;
  }
}

/**
 * What a text says where it is escaped for a URL, once or several times over, or for JSON. A token's own escapes are
 * read in the same way, so that it is found however it is spelled.
 */
function plain(text: string): string {
  return text.replace(/\\+(?:u00([\da-f]{2}))?|%(?:25)*([\da-f]{2})/gi, (_, json: string | undefined, url: string | undefined) => {
    const code = json ?? url;
    return code ? String.fromCharCode(parseInt(code, 16)) : '';
  });
}

function stored(): boolean {
  try {
    return (globalThis as { localStorage?: Storage }).localStorage?.getItem('steadfast') === 'debug';
  } catch {
    // A page that may not keep anything.
    return false;
  }
}
