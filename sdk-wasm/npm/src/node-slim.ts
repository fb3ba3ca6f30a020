/**
 * The slim entry in Node.
 *
 * @packageDocumentation
 */

import { findWs } from './node-ws.js';

export * from './slim.js';

findWs();
