// The threads that work on archives: how many there are, who gets the next one, and when they end. What they do is cache-jobs.ts.
import { Worker } from 'node:worker_threads';
import { ServingError } from '../core/errors.ts';
import type { JobMessage, JobReport } from './archive-thread.ts';
import type { CacheJobs } from './cache-jobs.ts';
import { errorOf } from './thread-error.ts';

/** So many archives are worked on at a time; more would only make each slower. */
const MAX_THREADS = 3;
/** One that has nothing to do stays for the next registration, which often follows at once. */
const IDLE_MS = 1_000;
/** A thread needs more than this for no archive within the limits. */
const MAX_HEAP_MB = 384;

/** Runs a job of the cache to its end. */
export interface CacheWork {
  /** Throws what the job throws, and the reason of `signal` once that is aborted and the job has ended. */
  run<K extends keyof CacheJobs>(name: K, argument: Parameters<CacheJobs[K]>[0], watch: JobWatch): JobResult<K>;
  /** Ends what is idle; to be called when no job is running. */
  close(): Promise<void>;
}

export type JobResult<K extends keyof CacheJobs> = Promise<Awaited<ReturnType<CacheJobs[K]>>>;

export interface JobWatch {
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

export class ArchiveThreads implements CacheWork {
  readonly #idle: Worker[] = [];
  /** Those who wait for a thread. */
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  async run<K extends keyof CacheJobs>(
    name: K,
    argument: Parameters<CacheJobs[K]>[0],
    { signal, onProgress }: JobWatch,
  ): JobResult<K> {
    if (this.#busy >= MAX_THREADS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy += 1;
    let thread: Worker | undefined;
    try {
      signal.throwIfAborted();
      thread = this.#idle.pop() ?? this.#started();
      const result = await resultOf(thread, name, argument, signal, onProgress);
      this.#idle.push(thread);
      // The type of a job's result is that of its function.
      return result as Awaited<ReturnType<CacheJobs[K]>>;
    } catch (thrown) {
      if (thrown instanceof ThreadEnded) throw thrown.asServingError();
      if (thread !== undefined) this.#idle.push(thread);
      signal.throwIfAborted();
      throw thrown;
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy -= 1;
      else next();
      this.#endIdleOnesLater();
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#idleTimer);
    await Promise.all(this.#idle.splice(0).map((thread) => thread.terminate()));
  }

  #started(): Worker {
    const thread = new Worker(new URL('./archive-thread.js', import.meta.url), THREAD);
    const forget = () => {
      const index = this.#idle.indexOf(thread);
      if (index >= 0) this.#idle.splice(index, 1);
    };
    // Whoever has given it a job hears of its end, too.
    return thread.on('error', forget).on('exit', forget);
  }

  #endIdleOnesLater(): void {
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => void this.close(), IDLE_MS);
    this.#idleTimer.unref();
  }
}

const THREAD = {
  name: 'sconce-archive',
  resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: 4 },
};

/** The thread is gone, and its job with it. */
class ThreadEnded extends Error {
  asServingError(): ServingError {
    const { cause } = this;
    const isOutOfMemory = cause instanceof Error && 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
    return isOutOfMemory
      ? new ServingError(
          'ARCHIVE_INVALID',
          'its directory of entries needs too much memory. Pack fewer files.',
          {},
          cause,
        )
      : new ServingError('INTERNAL', 'the thread that unpacks archives has ended; register it again.', {}, cause);
  }
}

function resultOf(
  thread: Worker,
  name: keyof CacheJobs,
  argument: unknown,
  signal: AbortSignal,
  onProgress: JobWatch['onProgress'],
): Promise<unknown> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  return new Promise((resolve, reject) => {
    const hear = (report: JobReport) => {
      if ('doneBytes' in report) onProgress(report.doneBytes, report.totalBytes);
      else end(() => ('result' in report ? resolve(report.result) : reject(errorOf(report.error))));
    };
    const fail = (cause: unknown) => end(() => reject(new ThreadEnded('', { cause })));
    const halt = () => Atomics.store(stop, 0, 1);
    const end = (settle: () => void) => {
      thread.off('message', hear).off('error', fail).off('exit', fail);
      signal.removeEventListener('abort', halt);
      // An idle thread keeps no process alive.
      thread.unref();
      settle();
    };
    thread.on('message', hear).on('error', fail).on('exit', fail);
    signal.addEventListener('abort', halt);
    thread.ref();
    thread.postMessage({ name, argument, stop } satisfies JobMessage);
  });
}
