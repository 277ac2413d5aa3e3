// A stateful model without processes: its scheduler on a clock of the test's own, and requests that name their sequences.
import type { HeaderPair, Job, JobKind } from '../../src/core/job.ts';
import type { SequenceRules } from '../../src/core/model-spec.ts';
import { Scheduler } from '../../src/core/scheduler.ts';
import { SEQUENCE_HEADERS } from '../../src/core/sequence-headers.ts';
import { SequenceQueue } from '../../src/core/sequence-queue.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeWorker } from './fake-worker.ts';
import { DEATH, jobRequest, textPart } from './jobs.ts';
import { ServingJournal } from './serving-journal.ts';

export const NO_LIMITS: SequenceRules = {
  headers: SEQUENCE_HEADERS,
  maxSequences: 100,
  maxWaitingJobs: 100,
  maxIdleMs: 0,
  lifetimeMs: 0,
};

export interface SequenceMarksGiven {
  readonly start?: boolean;
  readonly end?: boolean;
  readonly kind?: JobKind;
  readonly deadlineAt?: number;
}

export class StatefulModel {
  readonly clock = new FakeClock();
  readonly journal = new ServingJournal();
  readonly queue: SequenceQueue;
  readonly scheduler: Scheduler;

  constructor(rules: Partial<SequenceRules> = {}, batchSize = 4, capacity = 100) {
    this.queue = new SequenceQueue({ model: 'm', capacity, rules: { ...NO_LIMITS, ...rules }, clock: this.clock });
    this.scheduler = new Scheduler({
      model: 'm',
      batchSize,
      maxBatchDelayMs: 100,
      batching: 'adaptive',
      queue: this.queue,
      needsIdleWorker: false,
      retriesOnWorkerDeath: false,
      clock: this.clock,
      observer: this.journal,
    });
  }

  addWorker(id: string, capacity = 4): FakeWorker {
    const worker = new FakeWorker(id, capacity);
    this.scheduler.addWorker(worker);
    return worker;
  }

  /** A request of a sequence; its request id is the sequence's with a number behind it. */
  submit(id: string | undefined, requestId: string, marks: SequenceMarksGiven = {}): Job {
    const headers: HeaderPair[] = [];
    if (id !== undefined) headers.push([SEQUENCE_HEADERS.id, id]);
    if (marks.start === true) headers.push([SEQUENCE_HEADERS.start, 'true']);
    if (marks.end === true) headers.push([SEQUENCE_HEADERS.end, 'true']);
    const request = jobRequest({ requestId, headers, kind: marks.kind ?? 'predict' });
    return this.scheduler.submit(request, marks.deadlineAt ?? Infinity);
  }

  /** The worker answers what it has, with these headers on each answer. */
  answer(worker: FakeWorker, headers: readonly HeaderPair[] = []): void {
    worker.start();
    const batch = worker.holding;
    worker.holding = [];
    for (const job of batch) job.deliver(textPart('', { headers }));
    this.scheduler.pump();
  }

  /** The worker's process ends; these of its jobs had begun. */
  die(worker: FakeWorker, begun: readonly Job[], error: Parameters<Job['fail']>[0]): void {
    this.scheduler.removeWorker(worker);
    for (const job of begun) job.begin();
    const held = worker.drop();
    for (const job of held) if (job.state === 'started') job.fail(error);
    this.scheduler.takeBack(
      held.filter((job) => job.state === 'held'),
      DEATH,
    );
  }
}

/** The request ids of each batch that a worker was given. */
export function batchesOf(worker: FakeWorker): string[] {
  return worker.batches.map((batch) => batch.map((job) => job.request.requestId).join(' '));
}
