/**
 * Keeps a web app attached to a long-running server job.
 *
 * @packageDocumentation
 */

import type { Client } from './client.js';
import { shifted } from './generated/wasm.js';
import { make, needWebAssembly, refused, start, started } from './start.js';
import type { ClientOptions, Service } from './types.js';

export * from './exports.js';

/**
 * Makes a client of a service, which connects at once unless `autoConnect` is false. A wrong option is a
 * {@link ConfigError} that names it.
 *
 * ```ts
 * const client = connect({ service: 'charisma', url: 'wss://api.example.com', token: () => getToken() });
 * ```
 */
export function connect<S extends Service>(options: ClientOptions<S>): Client<S> {
  if (!started()) {
    needWebAssembly();
    try {
      start(new WebAssembly.Instance(new WebAssembly.Module(bytes())));
    } catch (error) {
      throw refused(error);
    }
  }
  return make(options);
}

/** The module's bytes, each a character: a web server's compression likes that better than hex digits and base64. */
function bytes(): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(shifted.length);
  for (let at = 0; at < out.length; at++) out[at] = shifted.charCodeAt(at) - 35;
  return out;
}
