/**
 * The same client with the `.wasm` beside it, fetched once by {@link init}.
 *
 * @packageDocumentation
 */

import type { Client } from './client.js';
import { make, needWebAssembly, refused, start, started } from './start.js';
import type { ClientOptions, Service } from './types.js';

export * from './exports.js';

/** Where the module comes from: its address, an answer that holds it, its bytes, or compiled. */
export type WasmSource = string | URL | Response | Promise<Response> | BufferSource | WebAssembly.Module;

/** Fetches and compiles the module; to be awaited before the first {@link connect}. Left out, it is the file beside this one. */
export async function init(source?: WasmSource): Promise<void> {
  if (started()) return;
  needWebAssembly();
  try {
    // Old web views do neither of the two while the page waits.
    start(await WebAssembly.instantiate(await compile(source ?? new URL('./steadfast.wasm', import.meta.url))));
  } catch (error) {
    throw refused(error);
  }
}

async function compile(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return WebAssembly.compile(source as BufferSource);
  const url = typeof source === 'string' || source instanceof URL ? String(source) : undefined;
  if (url?.startsWith('file:')) {
    // Node's fetch takes no files.
    const process = (globalThis as { process?: { getBuiltinModule?(name: string): unknown } }).process;
    const files = process?.getBuiltinModule?.('node:fs/promises') as typeof import('node:fs/promises') | undefined;
    if (!files) throw new Error('files can be read in Node from 20.16 on; hand the bytes to init()');
    return WebAssembly.compile(new Uint8Array(await files.readFile(new URL(url))));
  }
  const response = await (url === undefined ? (source as Promise<Response>) : fetch(url));
  if (!response.ok) throw new Error(`${response.url}: HTTP ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Makes a client of a service; {@link init} must be done. */
export function connect<S extends Service>(options: ClientOptions<S>): Client<S> {
  return make(options);
}
