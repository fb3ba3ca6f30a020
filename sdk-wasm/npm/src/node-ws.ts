// Node before version 22 has no WebSocket of its own.

import { useWebSocket } from './sockets.js';
import type { WebSocketClass } from './types.js';

interface NodeModule {
  createRequire(from: string): (name: string) => unknown;
}

/** Takes `ws` if it is needed and installed. */
export function findWs(): void {
  if ((globalThis as { WebSocket?: unknown }).WebSocket) return;
  const process = (globalThis as { process?: { getBuiltinModule?(name: string): unknown; cwd?(): string } }).process;
  const { createRequire } = (process?.getBuiltinModule?.('node:module') ?? {}) as Partial<NodeModule>;
  if (!createRequire) return;
  // Where the program is, or where this package is.
  for (const from of [import.meta.url, `${process?.cwd?.() ?? ''}/index.js`]) {
    try {
      useWebSocket(createRequire(from)('ws') as WebSocketClass);
      return;
    } catch {
      // The next place; without any, connect() says what to do.
    }
  }
}
