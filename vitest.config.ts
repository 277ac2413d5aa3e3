import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Integration tests start real processes: two files at a time is what two cores carry without starving each other.
    maxWorkers: 2,
    // Tests call ONNX Runtime itself, too, and its official builds report to Microsoft unless told not to.
    env: { ORT_DISABLE_TELEMETRY: '1' },
    reporters: ['default'],
  },
});
