import { defineConfig } from 'vitest/config';
import { TEST_CACHES } from './test/support/test-caches.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Integration tests start real processes: two files at a time is what two cores carry without starving each other.
    maxWorkers: 2,
    // Tests call ONNX Runtime itself, too, and its official builds report to Microsoft unless told not to.
    env: { ORT_DISABLE_TELEMETRY: '1', XDG_CACHE_HOME: TEST_CACHES },
    globalSetup: ['test/support/test-caches.ts'],
    reporters: ['default'],
  },
});
