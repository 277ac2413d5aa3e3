import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { TEST_CACHES } from './test/support/test-caches.ts';

/** Files that take longest begin first, so that none of them is left alone at the end. */
const LONGEST = [
  'python-versions',
  'worker-replacement',
  'python-environments',
  'churn',
  'supervision',
  'storm',
  'failing-models',
  'streams',
  'python-packages',
  'autoscaling',
  'shutdown',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.some((name) => moduleId.endsWith(`/${name}.test.ts`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Integration tests start real processes, and wait for them much of the time: three files at a time keep two cores at work without starving
    // each other.
    maxWorkers: 3,
    // No module keeps state that one test could leave for another, and loading all of them anew for each file is a tenth of the whole time.
    isolate: false,
    // Tests call ONNX Runtime itself, too, and its official builds report to Microsoft unless told not to.
    env: { ORT_DISABLE_TELEMETRY: '1', XDG_CACHE_HOME: TEST_CACHES },
    globalSetup: ['test/support/test-caches.ts'],
    sequence: { sequencer: LongestFirst },
    reporters: ['default'],
  },
});
