// When a batch leaves: the one decision behind batch_size, max_batch_delay and batching, as a pure function.
import { type BatchTime, timeOfBatchMs } from './batch-time.ts';

/** `adaptive` holds a batch only where that gains; `fixed` holds whatever is not full for as long as it may, as TorchServe does. */
export type Batching = 'adaptive' | 'fixed';

export const BATCHING_WORDS: readonly Batching[] = ['adaptive', 'fixed'];

export interface BatchLimits {
  readonly batchSize: number;
  readonly maxBatchDelayMs: number;
  readonly batching: Batching;
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
  /** What batches of the version cost, undefined as long as too little is known; looked at only while another worker is busy. */
  readonly batchTime: BatchTime | undefined;
  /** The soonest deadline of the waiting jobs, Infinity for none. */
  readonly soonestDeadlineAt: number;
}

export type BatchPlan =
  | { readonly action: 'send'; readonly size: number }
  | { readonly action: 'wait'; readonly untilAt: number };

/**
 * Decides for a worker with room. A full batch leaves, and one that no later job can join. Any other may be held, counted from its oldest
 * arrival: with `fixed` for `maxBatchDelayMs`, with `adaptive` for as long as that gains, and never longer than `maxBatchDelayMs`.
 */
export function planBatch(situation: BatchSituation, limits: BatchLimits, now: number): BatchPlan {
  const size = Math.min(situation.waiting, limits.batchSize);
  if (size === limits.batchSize || situation.isClosed) return { action: 'send', size };
  const leavesAt =
    limits.batching === 'fixed'
      ? situation.oldestArrivedAt + limits.maxBatchDelayMs
      : leavesWhenNoMoreIsGained(situation, limits, size);
  return now >= leavesAt ? { action: 'send', size } : { action: 'wait', untilAt: leavesAt };
}

/**
 * Waiting gains something only while another worker computes anyway, and where most of a batch's time is the same for every size. It gains no
 * more than that part of the time, and nothing when a job would be late for it.
 */
function leavesWhenNoMoreIsGained(situation: BatchSituation, limits: BatchLimits, size: number): number {
  const { oldestArrivedAt, isAnotherWorkerBusy, batchTime: time } = situation;
  if (!isAnotherWorkerBusy || time === undefined || time.baseMs < time.perJobMs * size) return oldestArrivedAt;
  const holdMs = Math.min(limits.maxBatchDelayMs, time.baseMs);
  const lastMomentAt = situation.soonestDeadlineAt - timeOfBatchMs(time, limits.batchSize);
  return Math.min(oldestArrivedAt + holdMs, lastMomentAt);
}
