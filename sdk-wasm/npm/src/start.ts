// The module in WASM, made once; and the function that makes clients.

import { AllCommands, type Client } from './client.js';
import { Core } from './core.js';
import { type ClientOptions, ConfigError, type Service } from './types.js';

let core: Core | undefined;

/** Whether the module is there. */
export function started(): boolean {
  return core !== undefined;
}

/** Checks that there is WebAssembly at all. */
export function needWebAssembly(): void {
  if (typeof WebAssembly === 'object' && typeof performance === 'object') return;
  throw new ConfigError(
    'WebAssembly',
    'this place has no WebAssembly (React Native with Hermes has none); use the native SDK for this platform, or run this part in a web view',
  );
}

/** What to do about a place that refuses WASM. */
export function refused(error: unknown): ConfigError {
  const words = error instanceof Error ? error.message : String(error);
  return new ConfigError(
    'WebAssembly',
    `this place refuses WebAssembly: ${words}. If a Content-Security-Policy forbids it, allow 'wasm-unsafe-eval' in script-src; ` +
      'if code may not be compiled from bytes (edge runtimes), or only asynchronously (old web views), use `init` of steadfast/slim first',
  );
}

/** Takes the module in WASM. */
export function start(instance: WebAssembly.Instance): void {
  core ??= new Core(instance);
}

/** Makes a client. */
export function make<S extends Service>(options: ClientOptions<S>): Client<S> {
  if (!core) throw new ConfigError('WebAssembly', 'call `await init()` of steadfast/slim before the first connect()');
  return new AllCommands(core, options) as unknown as Client<S>;
}
