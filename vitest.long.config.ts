import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// AOSP's adbd for phones of the real make: fetched once for all tests.
const MFT_ADBD_ROOT = join(import.meta.dirname, 'build', 'adbd');

// Long suites run one file at a time: each wants both cores. Transport and sessions run here on AOSP's own adbd; npm test
// runs the same files on the emulated make.
export default defineConfig({
  test: {
    include: [
      'test/long/**/*.test.ts',
      'test/session/**/*.test.ts',
      'test/adb/**/*.test.ts',
      'test/device/**/*.test.ts',
    ],
    env: { MFT_ADBD_ROOT, MFT_TEST_PHONE_MAKE: 'real' },
    testTimeout: 900_000,
    hookTimeout: 300_000,
    fileParallelism: false,
  },
});
