// What the decisions in core/ need from the world, and what the world reports back: time, workers, observers. Implemented above.
import type { HeaderPair, Job, JobHolder } from './job.ts';
import type { MetricKind } from './listed-metrics.ts';
import type { ModelSignature } from './model-signature.ts';
import type { ScalingReport } from './scale-policy.ts';
import type { StartFailure } from './start-failure.ts';
import type { WorkerDescription } from './worker-state.ts';

/** Monotonic time. Decisions never ask a global clock, so tests can hand them one of their own. */
export interface Clock {
  /** Milliseconds since an arbitrary moment, never going back. */
  now(): number;
  /** Calls `callback` once, after at least `delayMs`; cancelling later than that does nothing. */
  after(delayMs: number, callback: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

/** A worker (one process or a group of ranks) as the scheduler sees it: something with room that takes batches. */
export interface BatchWorker extends JobHolder {
  readonly id: string;
  /** How many jobs it would take now; 0 while it is full. */
  room(): number;
  /** Whether it takes jobs one by one while it computes, so that nothing is gained by holding them back for a fuller batch. */
  readonly takesAnyTime: boolean;
  /** Whether it still has this job, which may be over for everybody else. */
  holds(job: Job): boolean;
  /**
   * Whether it would take one more batch, to begin with it as soon as it is done with what it has. A worker that is not alone takes less: another
   * one could be free sooner.
   */
  takesAhead(isAlone: boolean): boolean;
  /** Jobs that it was given ahead, has not begun with, and that somebody still waits for. */
  readonly aheadJobs: number;
  /** Whether it computes something now. */
  isBusy(): boolean;
  /**
   * Asks for what it was given ahead and has not begun with. Resolves with the jobs that it does not have any more; none come back from a
   * worker that cannot do that.
   */
  recall(): Promise<readonly Job[]>;
  /** Takes the batch. Outputs and failures go straight to each job; unstarted jobs come back through the scheduler when it dies. */
  run(batch: readonly Job[]): void;
}

/** Follows the jobs of one model version; the only place where serving is measured. */
export interface ServingObserver {
  queued(job: Job): void;
  /** A worker begins with the job; `waitedMs` counts from its arrival. */
  dispatched(job: Job, waitedMs: number): void;
  /** The job is over, with the code of its failure or none; `tookMs` counts from its arrival. */
  finished(job: Job, failure: string | undefined, tookMs: number): void;
}

/** How many workers a version is to have, and how patient the change is. */
export interface ScaleRequest {
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** How many of the workers go on a GPU; undefined for as many as devices and model allow. */
  readonly numberGpu: number | undefined;
  /** How long work in hand and in the queue may go on before surplus workers are ended; Infinity for as long as it takes. */
  readonly drainMs: number;
  /** On a failed start: back to the former numbers, or keep the new ones and go on trying. */
  readonly onFailure: 'restore' | 'keep';
}

/** The workers of one model version. */
export interface WorkerPool {
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** Resolves when all workers have been adjusted; fails with the reason of the first worker that did not start. */
  scale(request: ScaleRequest): Promise<void>;
  /**
   * Replaces a worker; resolves with the id of the one in its place, when that is ready and the old one has ended. Throws WORKER_NOT_FOUND at once;
   * fails with the reason when the new one does not start: then the old one stays, unless it had to go first.
   */
  restart(id: string): Promise<string>;
  /** Resolves when a worker is ready. Fails with the reason when none is wanted, when none can start, or when it takes longer than a start may. */
  untilReady(): Promise<void>;
  /** How the pool follows the load; undefined where the number of its workers is fixed. */
  scaling(): ScalingReport | undefined;
  describe(): Promise<WorkerDescription[]>;
  /** Inputs and outputs as a loaded worker told them; undefined before the first is ready and for handlers that do not say. */
  signature(): ModelSignature | undefined;
  /** The latest start that failed; undefined as long as none has. */
  lastError(): StartFailure | undefined;
  /** Workers that are ready, or in their first start. */
  healthyWorkers(): number;
  /** Workers that are ready now. */
  readyWorkers(): number;
  /** Whether workers that fail have been failing for longer than `maxRetryTimeoutSec`. */
  isBeyondRetryWindow(): boolean;
  /**
   * Refuses new jobs, lets what is queued and in hand finish within `drainMs`, then ends every worker. Of several calls the last one's
   * `drainMs` counts; all resolve when every worker has ended.
   */
  stop(drainMs: number): Promise<void>;
}

/** Names a worker in the log, or its version as a whole. */
export interface WorkerTag {
  readonly model: string;
  readonly version: string;
  readonly worker: string | undefined;
}

/** Where workers' words and fates are written down. */
export interface WorkerLog {
  /** A line that the worker printed. */
  line(tag: WorkerTag, stream: 'stdout' | 'stderr', text: string): void;
  /** Something happened to the worker. */
  event(tag: WorkerTag, level: 'info' | 'warn' | 'error', message: string, details?: object): void;
}

/** A value that a handler or a worker reported. */
export interface ModelMetric {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly kind: MetricKind;
  readonly dimensions: readonly HeaderPair[];
  /** The requests that it is about, where the worker says so. */
  readonly requestIds?: readonly string[];
}
