import { defineConfig } from 'vitest/config';

// Long suites run one file at a time: they measure nothing, but each wants both cores.
export default defineConfig({
  test: {
    include: ['test/long/**/*.test.ts'],
    testTimeout: 900_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
