// Every fault of the mock on every service, in Node.
import assert from 'node:assert/strict';
import { connect } from 'steadfast';
import { afterAll, beforeAll, test } from 'vitest';
import { faults, options } from '../support/faults.mjs';
import { catalogue, startMock, token } from '../support/mock.mjs';

const servers = {};
beforeAll(async () => {
  for (const [name, own] of Object.entries(options)) servers[name] = await startMock(...own);
});
afterAll(() => Object.values(servers).forEach((server) => server.stop()));

for (const [name, run] of Object.entries(faults({ place: 'node', connect, token, assert, servers, catalogue: catalogue() }))) {
  test(name, { timeout: 60_000 }, async () => assert.deepEqual(await run(), []));
}
