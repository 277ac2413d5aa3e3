// Everything that leaves on the data channel about jobs: their parts within their credit, and their ends. A job ends exactly once; what comes
// for it afterwards is dropped.
import type { Connection } from '../protocol/connection.ts';
import { OpenJob } from './open-job.ts';
import type { Outcome, RequestFailure, ResultPart } from './runtime-model.ts';

/** How much of a stream is kept while it has no credit; with more, its handler waits. */
const KEPT_BYTES = 1024 * 1024;

/** Cancellations may overtake the batch that they are meant for: this many of the latest are remembered. */
const EARLY_CANCELS_KEPT = 4096;

export interface OutboxLimits {
  readonly creditBytes: number;
  /** The longest part that may be sent; 0 for any. */
  readonly maxResponseBytes: number;
}

export class Outbox {
  readonly #data: Connection;
  readonly #limits: OutboxLimits;
  readonly #jobs = new Map<number, OpenJob>();
  readonly #earlyCancels = new Set<number>();

  constructor(data: Connection, limits: OutboxLimits) {
    this.#data = data;
    this.#limits = limits;
  }

  get openJobs(): number {
    return this.#jobs.size;
  }

  /** Takes in a job that has arrived. */
  open(id: number): OpenJob {
    const job = new OpenJob(id, this.#limits.creditBytes);
    this.#jobs.set(id, job);
    if (this.#earlyCancels.delete(id)) job.cancel();
    return job;
  }

  /** Tells the server that these are begun with. */
  announce(jobs: readonly OpenJob[]): void {
    this.#data.send({ type: 'started', jobs: jobs.map(({ id }) => id) });
  }

  /** Sends, or keeps, a part that is not the job's last. Resolves when more may come; rejects once the job is cancelled or has ended. */
  async stream(job: OpenJob, part: ResultPart): Promise<void> {
    job.signal.throwIfAborted();
    if (job.hasEnded) throw new DOMException('The request has been answered already.', 'InvalidStateError');
    const failure = this.#oversize(part);
    if (failure !== undefined) {
      this.finish([[job, { failure }]]);
      throw new RangeError(failure.message);
    }
    // A copy: the handler may fill the same array with its next part, while this one is kept or the socket has yet to take all of it.
    const own = { ...part, bytes: Uint8Array.from(part.bytes) };
    if (job.credit > 0) {
      job.credit -= own.bytes.length;
      this.#sendParts([{ job, part: own, isLast: false }]);
      return;
    }
    job.kept.push(own);
    job.keptBytes += own.bytes.length;
    while (job.keptBytes > KEPT_BYTES && !job.signal.aborted && !job.hasEnded) await job.changed();
    job.signal.throwIfAborted();
  }

  /** Ends jobs, each behind what is still kept for it. `handlerMs` is how long the batch took that ends with them. */
  finish(ends: readonly (readonly [OpenJob, Outcome])[], handlerMs?: number): void {
    const outputs: { job: OpenJob; part: ResultPart; isLast: boolean }[] = [];
    const failures = new Map<string, { readonly failure: RequestFailure; readonly ids: number[] }>();
    for (const [job, outcome] of ends) {
      if (job.hasEnded) continue;
      const failure = 'failure' in outcome ? outcome.failure : this.#oversize(outcome.part);
      for (const part of job.kept) outputs.push({ job, part, isLast: false });
      job.hasEnded = true;
      job.dropKept();
      job.wake();
      this.#jobs.delete(job.id);
      if ('part' in outcome && failure === undefined) outputs.push({ job, part: outcome.part, isLast: true });
      if (failure !== undefined) {
        // A batch that failed as a whole is told so once.
        const key = `${failure.code} ${failure.status ?? ''} ${failure.message}`;
        const group = failures.get(key) ?? { failure, ids: [] };
        group.ids.push(job.id);
        failures.set(key, group);
      }
    }
    this.#sendParts(outputs, handlerMs);
    for (const { failure, ids } of failures.values()) {
      const { code, message, status, trace } = failure;
      const further = { ...(status !== undefined && { status }), ...(trace !== undefined && { trace }) };
      this.#data.send({ type: 'error', code, message, jobs: ids, ...further });
    }
  }

  /** Nobody waits for these jobs any more. */
  cancel(ids: readonly number[]): void {
    for (const id of ids) {
      const job = this.#jobs.get(id);
      if (job !== undefined) job.cancel();
      else this.#rememberCancel(id);
    }
  }

  /** The reader of a job has taken so many bytes more: what is kept for it moves on. */
  grant(id: number, bytes: number): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    job.credit += bytes;
    const released: { job: OpenJob; part: ResultPart; isLast: boolean }[] = [];
    while (job.credit > 0) {
      const part = job.kept.shift();
      if (part === undefined) break;
      job.keptBytes -= part.bytes.length;
      job.credit -= part.bytes.length;
      released.push({ job, part, isLast: false });
    }
    this.#sendParts(released);
    job.wake();
  }

  #rememberCancel(id: number): void {
    this.#earlyCancels.add(id);
    if (this.#earlyCancels.size <= EARLY_CANCELS_KEPT) return;
    for (const oldest of this.#earlyCancels) {
      this.#earlyCancels.delete(oldest);
      break;
    }
  }

  #oversize({ bytes }: ResultPart): RequestFailure | undefined {
    const limit = this.#limits.maxResponseBytes;
    if (limit === 0 || bytes.length <= limit) return undefined;
    const message = `The answer has ${bytes.length} bytes; max_response_size allows ${limit}. Raise it, or ask for less.`;
    return { code: 'RESPONSE_TOO_LARGE', message };
  }

  #sendParts(outputs: readonly { job: OpenJob; part: ResultPart; isLast: boolean }[], handlerMs?: number): void {
    if (outputs.length === 0) return;
    const heads = outputs.map(({ job, part, isLast }) => {
      const { encoding, status, reason, headers } = part;
      return { job: job.id, last: isLast, as: encoding, status, reason, headers };
    });
    this.#data.sendParts(
      { type: 'output', outputs: heads, handlerMs },
      outputs.map(({ part }) => [part.bytes]),
      outputs.map(({ part }) => part.bytes.length),
    );
  }
}
