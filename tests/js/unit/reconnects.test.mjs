// 1,500 lost connections: the client comes back from each with its topic, and nothing is left behind.
import assert from 'node:assert/strict';
import { connect } from 'steadfast';
import { test } from 'vitest';
import { startOfficial } from '../support/official.mjs';

const CLIENTS = 10;
const ROUNDS = 150;
/** The first ones fill what is bounded, and warm the engine up. */
const WARM = 30;
/** For 1,200 reconnects: 1,300 bytes each, while a socket that is kept takes several thousand. */
const BOUND = 1536 * 1024;

test('1,500 reconnects leave nothing behind', { timeout: 100_000 }, async () => {
  const server = await startOfficial('saga');
  const used = () => {
    globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  let missing = 0;
  let told = () => {};
  const clients = [];
  try {
    for (let n = 0; n < CLIENTS; n++) {
      // Without the limits per minute, which would hold both the attempts and the joins back after a hundred.
      const limits = { attemptsPerMinute: 1_000_000, messagesPerMinute: 1_000_000 };
      const client = connect({ service: 'saga', url: server.url, token: 'good-1', baseDelay: 1, maxDelay: 2, ringEvents: 16, ...limits });
      clients.push(client);
      const subscription = client.subscribe(`quiet-again-${n}`);
      await subscription.live();
      // Told once the topic is live again.
      subscription.on('gap', () => --missing === 0 && told());
    }
    let base = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      missing = CLIENTS;
      const back = new Promise((resolve) => (told = resolve));
      await server.tell('cut');
      await back;
      if (round === WARM) base = used();
    }
    const grown = used() - base;
    const count = clients.reduce((sum, client) => sum + client.stats().reconnects, 0);
    console.log(`# ${count} reconnects; in the last ${(ROUNDS - WARM) * CLIENTS} the memory grew by ${Math.round(grown / 1024)} KiB`);
    assert.equal(count, CLIENTS * ROUNDS);
    assert.ok(grown < BOUND, `${grown} bytes`);
  } finally {
    for (const client of clients) await client.close();
    await server.stop();
  }
});
