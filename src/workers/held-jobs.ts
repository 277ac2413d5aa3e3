// The jobs that one worker has, by id: the only way from what a worker says to a job. What it says of a job that it does not have (a reply
// that is late, double or made up) falls on the floor here, and so never reaches another client.
import type { ServingError } from '../core/errors.ts';
import type { Job } from '../core/job.ts';
import type { Part } from '../protocol/frame.ts';
import type { OutputItem } from '../protocol/messages.ts';
import type { SilenceVerdict } from './response-watch.ts';

/** What a job's stream may send ahead of its reader. */
export const CREDIT_BYTES = 256 * 1024;

interface HeldJob {
  readonly job: Job;
  /** Bytes of its stream that the reader has not taken yet. */
  untakenBytes: number;
}

export class HeldJobs {
  readonly #held = new Map<number, HeldJob>();
  /** Those that the handler has yet to begin with, and that were not given ahead. */
  readonly #next = new Set<HeldJob>();
  /** Those that wait in the worker for what came before them. */
  readonly #ahead = new Set<HeldJob>();
  #emptyWaiters: (() => void)[] = [];
  /** How many the worker was done with so far, well or in vain. */
  finished = 0;

  get size(): number {
    return this.#held.size;
  }

  /** Whether the handler computes something, and all that was not given ahead. */
  get hasBegun(): boolean {
    return this.#next.size === 0 && this.#held.size > this.#ahead.size;
  }

  has(job: Job): boolean {
    return this.#held.has(job.id);
  }

  /** How many were given ahead and wait in the worker. */
  get aheadSize(): number {
    return this.#ahead.size;
  }

  /** How many of these somebody still waits for. */
  aheadAlive(): number {
    let alive = 0;
    for (const { job } of this.#ahead) if (job.state !== 'ended') alive += 1;
    return alive;
  }

  /** Resolves when there is none. */
  whenEmpty(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#emptyWaiters.push(resolve));
  }

  add(batch: readonly Job[], isAhead: boolean): void {
    for (const job of batch) {
      const held = { job, untakenBytes: 0 };
      job.hold();
      this.#held.set(job.id, held);
      (isAhead ? this.#ahead : this.#next).add(held);
    }
  }

  /** The handler begins with these. */
  started(ids: readonly number[]): void {
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held === undefined) continue;
      this.#next.delete(held);
      this.#ahead.delete(held);
      held.job.begin();
    }
  }

  /** Hands a part of an answer to its job. */
  output(item: OutputItem, chunks: Part): void {
    const held = this.#held.get(item.job);
    if (held === undefined) return;
    const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (item.last) this.#finish(held);
    else held.untakenBytes += sizeBytes;
    const { last: isLast, as: encoding, status, reason, headers } = item;
    held.job.deliver({ chunks, sizeBytes, isLast, encoding, status, reason, headers });
  }

  /** The worker is done with these, in vain. */
  failed(ids: readonly number[], error: ServingError): void {
    for (const id of ids) {
      const held = this.#held.get(id);
      if (held === undefined) continue;
      this.#finish(held);
      held.job.fail(error);
    }
  }

  /** Fails one job; the worker has it still. */
  giveUp(id: number, error: ServingError): void {
    this.#held.get(id)?.job.fail(error);
  }

  /** Fails what the handler computes; the worker has them still. */
  failStarted(error: ServingError): void {
    for (const { job } of this.#held.values()) if (job.state === 'started') job.fail(error);
  }

  /** The reader of a job has taken so many bytes more. False when the worker does not have the job any more. */
  taken(job: Job, sizeBytes: number): boolean {
    const held = this.#held.get(job.id);
    if (held === undefined) return false;
    held.untakenBytes -= sizeBytes;
    return true;
  }

  /** What it means when the worker is silent. A stream that waits for its reader is not the fault of a handler that waits with it. */
  verdictOnSilence(doesHandlerWait: boolean): SilenceVerdict {
    if (this.#held.size === 0) return 'nothing-owed';
    if (!doesHandlerWait) return 'guilty';
    for (const held of this.#held.values()) if (isUnread(held)) return 'excused';
    return 'guilty';
  }

  /** Whether a stream has used up its credit and somebody is there to read on. */
  isWaitingForReader(id: number): boolean {
    const held = this.#held.get(id);
    return held !== undefined && isUnread(held);
  }

  /** Lets go of these, which the worker has given back. */
  returned(ids: readonly number[]): Job[] {
    return ids.flatMap((id) => {
      const held = this.#held.get(id);
      if (held === undefined) return [];
      this.#remove(held);
      return [held.job];
    });
  }

  /** Lets go of everything and gives back what is not over. */
  release(): Job[] {
    const all = [...this.#held.values()];
    for (const held of all) this.#remove(held);
    return all.map(({ job }) => job).filter((job) => job.state !== 'ended');
  }

  #finish(held: HeldJob): void {
    this.finished += 1;
    this.#remove(held);
  }

  #remove(held: HeldJob): void {
    this.#next.delete(held);
    this.#ahead.delete(held);
    this.#held.delete(held.job.id);
    held.job.letGo();
    if (this.#held.size === 0) for (const resolve of this.#emptyWaiters.splice(0)) resolve();
  }
}

function isUnread({ job, untakenBytes }: HeldJob): boolean {
  return untakenBytes >= CREDIT_BYTES && job.state !== 'ended';
}
