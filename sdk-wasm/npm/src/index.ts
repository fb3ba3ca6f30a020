/**
 * Keeps a web app attached to a long-running server job.
 *
 * @packageDocumentation
 */

import type { Client } from './client.js';
import { shifted, unpacker } from './generated/wasm.js';
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
  const small = Uint8Array.from(unpacker, (character) => character.charCodeAt(0) - 35);
  const { memory, unpack } = new WebAssembly.Instance(new WebAssembly.Module(small)).exports as unknown as Unpacker;
  // No character takes more than two bytes.
  memory.grow(Math.ceil((shifted.length * 2) / 65_536));
  const { written } = new TextEncoder().encodeInto(shifted, new Uint8Array(memory.buffer));
  return new Uint8Array(memory.buffer, 0, unpack(written));
}

interface Unpacker {
  memory: WebAssembly.Memory;
  unpack(length: number): number;
}
