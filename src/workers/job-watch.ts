// Notices, in a worker that works on many jobs side by side, a single one that has been silent for too long, and the worker itself when
// nothing at all comes from it after that. One timer serves all jobs. What follows is the owner's business.
import type { Job } from '../core/job.ts';
import type { Clock } from '../core/ports.ts';
import type { WorkerMessage } from '../protocol/messages.ts';
import { Alarm } from './alarm.ts';

/** After a job was given up, how long the worker may say nothing at all before it is taken for hung. */
const GIVEN_UP_PATIENCE_MS = 5_000;

export interface JobWatchOptions {
  /** Infinity for jobs that may take as long as they like. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Whether the silence of a job is its reader's fault. */
  isWaitingForReader(jobId: number): boolean;
  /** This job is to be given up: it is not watched any more. */
  onOverdue(jobId: number): void;
  /** Nothing came from the worker since a job was given up. */
  onSilence(): void;
}

export class JobWatch {
  readonly #options: JobWatchOptions;
  /** The moment of the last sign of life of every job that owes one. */
  readonly #silentSince = new Map<number, number>();
  /** When the first job was given up since the worker was heard last. */
  #gaveUpAt: number | undefined;
  readonly #alarm: Alarm;

  constructor(options: JobWatchOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#look());
  }

  /** The worker was given these. */
  begin(batch: readonly Job[]): void {
    const now = this.#options.clock.now();
    for (const job of batch) this.#silentSince.set(job.id, now);
    this.#alarm.set(this.#options.timeoutMs);
  }

  /** A word of the worker, which is a sign of life of the jobs that it names. */
  heard(message: WorkerMessage): void {
    this.#gaveUpAt = undefined;
    if (message.type === 'output') {
      for (const { job, last } of message.outputs) {
        if (last) this.#silentSince.delete(job);
        else this.readOn(job);
      }
    } else if (message.type === 'error') for (const job of message.jobs ?? []) this.#silentSince.delete(job);
    else if (message.type === 'started') for (const job of message.jobs) this.readOn(job);
  }

  /** A job's patience begins anew. */
  readOn(jobId: number): void {
    if (this.#silentSince.has(jobId)) this.#silentSince.set(jobId, this.#options.clock.now());
  }

  stop(): void {
    this.#alarm.cancel();
    this.#silentSince.clear();
  }

  #look(): void {
    const { timeoutMs, clock } = this.#options;
    const now = clock.now();
    const patienceMs = Math.min(GIVEN_UP_PATIENCE_MS, timeoutMs);
    if (this.#gaveUpAt !== undefined && now >= this.#gaveUpAt + patienceMs) {
      this.#options.onSilence();
      return;
    }
    let nextAt = Infinity;
    for (const [jobId, since] of [...this.#silentSince]) {
      if (since + timeoutMs > now) {
        nextAt = Math.min(nextAt, since + timeoutMs);
      } else if (this.#options.isWaitingForReader(jobId)) {
        this.#silentSince.set(jobId, now);
        nextAt = Math.min(nextAt, now + timeoutMs);
      } else {
        this.#silentSince.delete(jobId);
        this.#gaveUpAt ??= now;
        this.#options.onOverdue(jobId);
      }
    }
    if (this.#gaveUpAt !== undefined) nextAt = Math.min(nextAt, this.#gaveUpAt + patienceMs);
    this.#alarm.set(nextAt - now);
  }
}
