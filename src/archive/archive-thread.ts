// The thread that hashes, unpacks and removes: it may wait for the disk and compute as it likes, since nobody is served in it. It does one
// job after another, each as a message; archive-threads.ts is the other end.
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { CACHE_JOBS, type CacheJobs } from './cache-jobs.ts';
import { type ErrorParts, errorParts } from './thread-error.ts';

/** Of a core that others want, too, the thread gets about a quarter. */
const NICENESS = 5;
const PROGRESS_EVERY_MS = 100;

export interface JobMessage {
  readonly name: keyof CacheJobs;
  readonly argument: unknown;
  /** Holds something other than 0 once the job is to end. */
  readonly stop: Int32Array;
}

/** How a job went on, or how it ended. */
export type JobReport =
  | { readonly doneBytes: number; readonly totalBytes: number }
  | { readonly result: unknown }
  | { readonly error: ErrorParts };

// On Linux this is about the calling thread alone, elsewhere about the whole process.
if (process.platform === 'linux') setPriority(0, NICENESS);

parentPort?.on('message', (message: JobMessage) => void work(message));

async function work({ name, argument, stop }: JobMessage): Promise<void> {
  // The server sends what belongs to the name: the types of both ends are those of CACHE_JOBS.
  const job = CACHE_JOBS[name] as (argument: unknown, control: ReturnType<typeof controlOf>) => Promise<unknown>;
  try {
    report({ result: await job(argument, controlOf(stop)) });
  } catch (thrown) {
    report({ error: errorParts(thrown) });
  }
}

function controlOf(stop: Int32Array) {
  let reportedAt = Number.NEGATIVE_INFINITY;
  return {
    throwIfAborted: () => {
      if (Atomics.load(stop, 0) !== 0) throw new Error('stopped');
    },
    progress: (doneBytes: number, totalBytes: number) => {
      const now = performance.now();
      if (now - reportedAt < PROGRESS_EVERY_MS && doneBytes < totalBytes) return;
      reportedAt = now;
      report({ doneBytes, totalBytes });
    },
  };
}

function report(message: JobReport): void {
  parentPort?.postMessage(message);
}
