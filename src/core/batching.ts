// When a batch leaves: the one decision behind batch_size and max_batch_delay, as a pure function.

export interface BatchLimits {
  readonly batchSize: number;
  readonly maxBatchDelayMs: number;
}

/** What the decision looks at. */
export interface BatchSituation {
  /** Jobs at the head of the queue that may share a batch; at least 1. */
  readonly waiting: number;
  /** Whether no later job can join them. */
  readonly isClosed: boolean;
  readonly oldestArrivedAt: number;
  /** Whether another worker of the version computes: only then can waiting gain a fuller batch at nobody's cost. */
  readonly isAnotherWorkerBusy: boolean;
}

export type BatchPlan =
  | { readonly action: 'send'; readonly size: number }
  | { readonly action: 'wait'; readonly untilAt: number };

/**
 * Decides for a worker with room. A batch leaves when it is full, when its oldest job has waited `maxBatchDelayMs` since it arrived, or at
 * once when no other worker is busy.
 */
export function planBatch(situation: BatchSituation, limits: BatchLimits, now: number): BatchPlan {
  const size = Math.min(situation.waiting, limits.batchSize);
  const leavesAt = situation.oldestArrivedAt + limits.maxBatchDelayMs;
  const isDue = size === limits.batchSize || situation.isClosed || !situation.isAnotherWorkerBusy || now >= leavesAt;
  return isDue ? { action: 'send', size } : { action: 'wait', untilAt: leavesAt };
}
