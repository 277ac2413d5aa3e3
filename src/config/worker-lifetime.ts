// How long workers serve, and how their number follows the load: from the keys of model-config.yaml to the fields of a ModelSpec.
import type { ModelSpec } from '../core/model-spec.ts';
import type { WorkerLimits } from '../core/retirement.ts';

/** What an archive says about it; undefined where it says nothing. */
export interface LifetimeKeys {
  /** 0 is no limit, here and in the next two. */
  readonly maxRequestsPerWorker: number | undefined;
  readonly maxWorkerAgeSec: number | undefined;
  readonly maxWorkerRssBytes: number | undefined;
  readonly maxSurge: number | undefined;
  readonly targetQueueTimeMSec: number | undefined;
}

/** What an archive says that says nothing. */
export const NO_LIFETIME_KEYS: LifetimeKeys = {
  maxRequestsPerWorker: undefined,
  maxWorkerAgeSec: undefined,
  maxWorkerRssBytes: undefined,
  maxSurge: undefined,
  targetQueueTimeMSec: undefined,
};

/** More workers beside the others than this is a slip of the finger. */
export const MAX_SURGE = 1_000;

/** Short enough that people notice no queue, long enough that the requests of one moment are not a queue. */
const DEFAULT_TARGET_QUEUE_MS = 200;

type Lifetime = Pick<ModelSpec, 'workerLimits' | 'maxSurge' | 'targetQueueMs'>;

/** `maxSurge` is what was chosen of the archive's word and the registration's; a second copy of a model may have no place on a GPU. */
export function workerLifetime(
  keys: LifetimeKeys,
  { maxSurge, deviceType }: { maxSurge: number | undefined; deviceType: ModelSpec['deviceType'] },
): Lifetime {
  const limit = (value: number | undefined, factor: number) => (value ? value * factor : Infinity);
  const workerLimits: WorkerLimits = {
    maxRequests: limit(keys.maxRequestsPerWorker, 1),
    maxAgeMs: limit(keys.maxWorkerAgeSec, 1000),
    maxResidentBytes: limit(keys.maxWorkerRssBytes, 1),
  };
  return {
    workerLimits,
    maxSurge: maxSurge ?? (deviceType === 'gpu' ? 0 : 1),
    targetQueueMs: keys.targetQueueTimeMSec ?? DEFAULT_TARGET_QUEUE_MS,
  };
}
