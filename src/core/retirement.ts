// When a worker has served long enough, and another one is to take its place. Pure: the caller hands in what the process has done, and the
// chance.

/** What a worker's process may reach; Infinity where there is no limit. */
export interface WorkerLimits {
  readonly maxRequests: number;
  /** Since it was ready. */
  readonly maxAgeMs: number;
  readonly maxResidentBytes: number;
}

/** What a process has come to. */
export interface WorkerUse {
  readonly finishedRequests: number;
  readonly ageMs: number;
  /** 0 when it is not known. */
  readonly residentBytes: number;
}

export const NO_WORKER_LIMITS: WorkerLimits = { maxRequests: Infinity, maxAgeMs: Infinity, maxResidentBytes: Infinity };

/** Workers that start together reach their limits up to so much sooner, each at another time. */
const JITTER = 0.1;

/** Whether nothing is limited, so that nobody has to look. */
export function isUnlimited({ maxRequests, maxAgeMs, maxResidentBytes }: WorkerLimits): boolean {
  return maxRequests === Infinity && maxAgeMs === Infinity && maxResidentBytes === Infinity;
}

/** The limits of one process: never above those of the version. `random` gives numbers from 0 up to 1. Memory has no jitter: it is a bound. */
export function jittered(limits: WorkerLimits, random: () => number): WorkerLimits {
  const share = 1 - JITTER * random();
  return {
    maxRequests: Math.max(1, Math.round(limits.maxRequests * share)),
    maxAgeMs: limits.maxAgeMs * share,
    maxResidentBytes: limits.maxResidentBytes,
  };
}

/** Why the process is to be replaced, in words; undefined while it is not. */
export function retirementReason(limits: WorkerLimits, use: WorkerUse): string | undefined {
  const { finishedRequests, ageMs, residentBytes } = use;
  if (finishedRequests >= limits.maxRequests)
    return `it has answered ${finishedRequests} requests (maxRequestsPerWorker)`;
  if (ageMs >= limits.maxAgeMs) return `it has served for ${Math.round(ageMs / 1000)} s (maxWorkerAgeSec)`;
  if (residentBytes >= limits.maxResidentBytes)
    return `it has ${mebibytes(residentBytes)} in memory, of ${mebibytes(limits.maxResidentBytes)} (maxWorkerRssBytes)`;
  return undefined;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
