/**
 * The same client in Node, where the package `ws` is taken if there is no global WebSocket.
 *
 * @packageDocumentation
 */

import { findWs } from './node-ws.js';

export * from './index.js';

findWs();
