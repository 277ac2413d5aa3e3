// A loaded model and the batches for it: one is computed, others may wait. A batch begins when the one before it has been answered and its
// answers have left, so that they need not wait while this thread computes.
import { setImmediate as turn } from 'node:timers/promises';
import type { Connection } from '../protocol/connection.ts';
import type { Channels } from './channels.ts';
import type { OpenJob } from './open-job.ts';
import { Outbox, type OutboxLimits } from './outbox.ts';
import type { ReceivedJob } from './received-job.ts';
import { failureOf } from './request-error.ts';
import type { Outcome, RuntimeModel, RuntimeRequest } from './runtime-model.ts';

/** A batch whose turn has not come. */
interface WaitingBatch {
  readonly jobs: readonly ReceivedJob[];
  readonly claim: () => boolean;
}

/** A request that the model computes. */
interface BegunJob {
  readonly received: ReceivedJob;
  readonly job: OpenJob;
}

export class Serving {
  readonly outbox: Outbox;
  readonly #channels: Channels;
  readonly #model: RuntimeModel;
  readonly #waiting: WaitingBatch[] = [];
  #isWorking = false;
  /** The server warms a worker up before it gives it anything else. */
  #isWarmingUp = false;
  #idleWaiters: (() => void)[] = [];

  constructor(channels: Channels, data: Connection, model: RuntimeModel, limits: OutboxLimits) {
    this.outbox = new Outbox(data, limits);
    this.#channels = channels;
    this.#model = model;
  }

  /** Answers a batch when its turn comes, if `claim` says then that it is still wanted here. */
  take(jobs: readonly ReceivedJob[], claim = () => true, isWarmUp = false): void {
    this.#isWarmingUp = isWarmUp;
    this.#waiting.push({ jobs, claim });
    if (!this.#isWorking) void this.#work();
  }

  /** Resolves when every batch has been answered. */
  idle(): Promise<void> {
    if (!this.#isWorking) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let batch = this.#begin(); batch !== undefined; ) {
      const begunAt = performance.now();
      const ends = await this.#compute(batch);
      const handlerMs = Math.round((performance.now() - begunAt) * 100) / 100;
      // One system call tells what has ended and what begins, and the server wakes once.
      batch = this.#channels.together(() => {
        this.outbox.finish(ends, handlerMs);
        return this.#begin();
      });
      if (batch !== undefined) {
        await this.#channels.sent();
        // A handler may never let the event loop go round, and its timers and what it prints depend on that.
        await turn();
      }
    }
    this.#isWorking = false;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Begins with the next batch that has not been given back, without the jobs that nobody waits for any more; undefined when there is none. */
  #begin(): readonly BegunJob[] | undefined {
    // Also cancellations that came while this thread computed count.
    this.#channels.catchUp();
    for (let batch = this.#waiting.shift(); batch !== undefined; batch = this.#waiting.shift()) {
      if (!batch.claim()) continue;
      const jobs = batch.jobs.map((received) => ({ received, job: this.outbox.open(received.id) }));
      const wanted = jobs.filter(({ job }) => !job.signal.aborted);
      this.outbox.finish(jobs.filter(({ job }) => job.signal.aborted).map(({ job }) => [job, CANCELLED]));
      if (wanted.length === 0) continue;
      this.outbox.announce(wanted.map(({ job }) => job));
      return wanted;
    }
    return undefined;
  }

  /** How each job ends; never rejects. */
  async #compute(batch: readonly BegunJob[]): Promise<(readonly [OpenJob, Outcome])[]> {
    const isWarmUp = this.#isWarmingUp;
    const early: [OpenJob, Outcome][] = [];
    // Those that end in one turn of the event loop leave together; when it is all of them, the end of the batch takes them along.
    const settle = (job: OpenJob, outcome: Outcome) => {
      if (early.length === 0) setImmediate(() => this.outbox.finish(early.splice(0)));
      early.push([job, outcome]);
    };
    try {
      const requests = await Promise.all(
        batch.map(async ({ received, job }): Promise<RuntimeRequest | Unread> => {
          const { requestId, kind, headers } = received;
          const stream: RuntimeRequest['stream'] = (part) => this.outbox.stream(job, part);
          const ends: RuntimeRequest['settle'] = (outcome) => settle(job, outcome);
          const inputs = await received.inputs().catch(unread);
          if ('failure' in inputs) return inputs;
          return { requestId, kind, isWarmUp, headers, inputs, signal: job.signal, stream, settle: ends };
        }),
      );
      const readable = requests.filter((request): request is RuntimeRequest => 'inputs' in request);
      const outcomes = (readable.length === 0 ? [] : await this.#model.predict(readable)).values();
      return batch.map(({ job }, index) => {
        const request = requests[index];
        if (request !== undefined && 'failure' in request) return [job, request];
        return [job, outcomes.next().value ?? NO_OUTCOME];
      });
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      const failure = failureOf(error);
      return batch.map(({ job }) => [job, { failure }]);
    }
  }
}

type Unread = Extract<Outcome, { readonly failure: unknown }>;

/** A large body that cannot be read is no reason to fail its batch mates. */
function unread(error: unknown): Unread {
  process.stderr.write(`The body of a request could not be read: ${String(error)}\n`);
  return { failure: failureOf(error) };
}

const CANCELLED: Outcome = { failure: { code: 'PREDICTION_FAILED', message: 'The request was cancelled.' } };

const NO_OUTCOME: Outcome = {
  failure: { code: 'PREDICTION_FAILED', message: 'The model gave fewer answers than the batch has requests.' },
};
