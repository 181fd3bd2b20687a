import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// AOSP's adbd for phones of the real make: fetched once for all tests.
const MFT_ADBD_ROOT = join(import.meta.dirname, 'build', 'adbd');

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'src/**/*.test.tsx', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    exclude: ['test/long/**', 'node_modules/**', 'dist/**', 'build/**'],
    env: { MFT_ADBD_ROOT },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
