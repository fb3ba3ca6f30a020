// The tests of the npm package. What they import from it is loaded by Node itself, as in an app (unit/loaded.test.mjs).
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Node's own: without Vite's `module` and `development`.
  ssr: { resolve: { conditions: ['node'] } },
  test: {
    include: ['{unit,browser,packaging}/*.test.mjs'],
    setupFiles: ['support/setup.mjs'],
    reporters: ['verbose'],
    // Each file has a process of its own, and servers and browsers a core.
    pool: 'forks',
    maxWorkers: Math.max(1, availableParallelism() - 1),
    execArgv: ['--expose-gc'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
