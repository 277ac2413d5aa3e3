import { describe, expect, it } from 'vitest';
import { Registry } from '../../../src/core/registry.ts';
import { describeVersion } from '../../../src/services/describe-version.ts';
import { fakeVersion } from '../../support/fake-version.ts';
import { jobRequest } from '../../support/jobs.ts';

describe('describeVersion', () => {
  it('tells what a version is and how it is doing', async () => {
    const registry = new Registry();
    const [first, second] = [fakeVersion({ version: '1', queueSize: 10 }), fakeVersion({ version: '2' })];
    registry.add(first);
    registry.add(second);
    first.pool.maxWorkers = 4;
    first.scheduler.submit(jobRequest(), Infinity);
    expect(await describeVersion(registry, first)).toEqual({
      spec: first.spec,
      isDefault: true,
      minWorkers: 1,
      maxWorkers: 4,
      workers: [],
      loading: [],
      waiting: 1,
      remainingCapacity: 9,
    });
    expect((await describeVersion(registry, second)).isDefault).toBe(false);
  });
});
