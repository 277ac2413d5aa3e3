import { describe, expect, it } from 'vitest';
import { parseModelConfig, type WrongValues } from '../../../src/config/model-config.ts';
import { workerLifetime } from '../../../src/config/worker-lifetime.ts';
import type { DeviceType } from '../../../src/core/model-spec.ts';
import { NO_WORKER_LIMITS } from '../../../src/core/retirement.ts';
import { rejectionOf } from '../../support/thrown.ts';

async function lifetimeOf(yaml: string, deviceType: DeviceType = 'cpu', wrongValues: WrongValues = 'refuse') {
  const { config } = await parseModelConfig(yaml, wrongValues);
  return workerLifetime(config.lifetime, { maxSurge: config.lifetime.maxSurge, deviceType });
}

describe('the life of workers', () => {
  it('has no limit unless the archive says so, and one worker more on the CPU while one is replaced', async () => {
    expect(await lifetimeOf('')).toEqual({ workerLimits: NO_WORKER_LIMITS, maxSurge: 1, targetQueueMs: 200 });
    expect(await lifetimeOf('', 'gpu')).toMatchObject({ maxSurge: 0 });
  });

  it('has the limits of the archive, in its units', async () => {
    const yaml =
      'maxRequestsPerWorker: 10\nmaxWorkerAgeSec: 20\nmaxWorkerRssBytes: 30\nmaxSurge: 2\ntargetQueueTimeMSec: 40\n';
    expect(await lifetimeOf(yaml, 'gpu')).toEqual({
      workerLimits: { maxRequests: 10, maxAgeMs: 20_000, maxResidentBytes: 30 },
      maxSurge: 2,
      targetQueueMs: 40,
    });
  });

  it('has no limit where that is 0', async () => {
    const yaml = 'maxRequestsPerWorker: 0\nmaxWorkerAgeSec: 0\nmaxWorkerRssBytes: 0\nmaxSurge: 0\n';
    expect(await lifetimeOf(yaml)).toMatchObject({ workerLimits: NO_WORKER_LIMITS, maxSurge: 0 });
  });

  it.each([
    'maxRequestsPerWorker: -1',
    'maxWorkerAgeSec: soon',
    'maxWorkerRssBytes: 1.5',
    'maxSurge: 1001',
    'targetQueueTimeMSec: 0',
  ])('%s is refused by the name of the key, or has no effect where wrong values are passed over', async (yaml) => {
    const error = await rejectionOf(parseModelConfig(yaml, 'refuse'));
    expect(error.message).toContain(`model-config.yaml: ${yaml.split(':')[0]}: expected a whole number of at`);
    expect(await lifetimeOf(yaml, 'cpu', 'ignore')).toEqual(await lifetimeOf(''));
  });
});
