// Random lives of a model version: whatever arrives, expires, dies or is cancelled in whatever order, these things stay true.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Batching } from '../../../src/core/batching.ts';
import { ServingError } from '../../../src/core/errors.ts';
import type { Job, JobKind } from '../../../src/core/job.ts';
import { JobQueue } from '../../../src/core/job-queue.ts';
import { PRIORITIES, type Priority, turnAt } from '../../../src/core/priority.ts';
import { Scheduler } from '../../../src/core/scheduler.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { DEATH, jobRequest } from '../../support/jobs.ts';
import { ServingJournal } from '../../support/serving-journal.ts';

const QUEUE_SIZE = 12;

const kind = fc.oneof(
  { weight: 6, arbitrary: fc.constant<JobKind>('predict') },
  { weight: 2, arbitrary: fc.constant<JobKind>('explain') },
  { weight: 1, arbitrary: fc.constant<JobKind>('describe') },
);
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant('arrival' as const),
      kind,
      priority: fc.constantFrom(...PRIORITIES),
      timeoutMs: fc.option(fc.nat(120)),
    }),
  },
  { weight: 5, arbitrary: fc.record({ is: fc.constant('answer' as const), worker: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('start' as const),
      capacity: fc.integer({ min: 1, max: 5 }),
      maxAheadBatches: fc.nat(2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ is: fc.constant('death' as const), worker: fc.nat(3), startedJobs: fc.nat(3) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('leave' as const), worker: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('lastAnswer' as const), worker: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('giveBack' as const), worker: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('computed' as const), size: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('cancel' as const), job: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constant('time' as const), ms: fc.nat(90) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('stall' as const), ms: fc.nat(90) }) },
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

/** One run: does what the events say and looks at every batch as it leaves. */
class World {
  readonly clock = new FakeClock();
  readonly journal = new ServingJournal();
  readonly scheduler: Scheduler;
  readonly jobs: Job[] = [];
  readonly answers: Promise<number>[] = [];
  readonly batchSize: number;
  readonly maxBatchDelayMs: number;
  workers: FakeWorker[] = [];
  /** Those that finish what they have and get no more. */
  leaving: FakeWorker[] = [];
  #isLate = false;

  constructor(batchSize: number, maxBatchDelayMs: number, batching: Batching, retriesOnWorkerDeath: boolean) {
    this.batchSize = batchSize;
    this.maxBatchDelayMs = maxBatchDelayMs;
    this.scheduler = new Scheduler({
      model: 'm',
      batchSize,
      maxBatchDelayMs,
      batching,
      queue: new JobQueue(QUEUE_SIZE),
      needsIdleWorker: false,
      retriesOnWorkerDeath,
      clock: this.clock,
      observer: this.journal,
    });
  }

  async apply(event: Event): Promise<void> {
    switch (event.is) {
      case 'arrival':
        this.#arrive(event);
        break;
      case 'answer':
        this.workers[event.worker]?.answer();
        this.scheduler.pump();
        break;
      case 'start':
        this.#startWorker(event.capacity, event.maxAheadBatches);
        break;
      case 'death':
        this.#die(event.worker, event.startedJobs);
        break;
      case 'leave':
        this.#leave(event.worker);
        break;
      case 'lastAnswer':
        this.leaving[event.worker]?.answer();
        break;
      case 'giveBack':
        await [...this.workers, ...this.leaving][event.worker]?.giveBack();
        break;
      case 'computed':
        this.scheduler.computed(event.size, 30 + event.size);
        break;
      case 'cancel':
        this.jobs[event.job]?.abandon();
        break;
      case 'time':
        this.clock.advance(event.ms);
        this.#isLate = false;
        break;
      case 'stall':
        this.clock.stall(event.ms);
        this.#isLate = true;
        break;
    }
    this.#check();
  }

  /** Lets everything end as it would when the version is unregistered. */
  finish(): void {
    this.clock.advance(1000);
    for (let busy = this.#busyWorker(); busy !== undefined; busy = this.#busyWorker()) {
      busy.answer();
      this.scheduler.pump();
    }
    this.scheduler.failWaiting(() => new ServingError('MODEL_STOPPING', 'over'));
    this.clock.advance(1000);
  }

  #busyWorker(): FakeWorker | undefined {
    return [...this.workers, ...this.leaving].find((worker) => worker.holding.length > 0);
  }

  #arrive({ kind, priority, timeoutMs }: { kind: JobKind; priority: Priority; timeoutMs: number | null }): void {
    const isFull = this.scheduler.remainingCapacity === 0;
    const hasFree = this.jobs.every((job) => job.state !== 'queued');
    const deadlineAt = timeoutMs === null ? Infinity : this.clock.now() + timeoutMs;
    try {
      const request = jobRequest({ kind, priority, requestId: `r${this.jobs.length}` });
      const job = this.scheduler.submit(request, deadlineAt);
      this.jobs.push(job);
      this.answers.push(countAnswers(job));
    } catch (error) {
      expect(error).toMatchObject({ code: isFull ? 'QUEUE_FULL' : 'WAIT_TOO_LONG' });
      if (!isFull) expect({ hasFree, isHurried: timeoutMs !== null }).toEqual({ hasFree: false, isHurried: true });
    }
  }

  #startWorker(capacity: number, maxAheadBatches: number): void {
    if (this.workers.length === 4) return;
    // Only workers of whole batches are given some ahead.
    const room = maxAheadBatches > 0 ? this.batchSize : capacity;
    const check = (batch: readonly Job[]) => this.#checkBatch(batch, room);
    const worker = new CheckedWorker(`w${this.workers.length}`, room, maxAheadBatches, check);
    this.workers.push(worker);
    this.scheduler.addWorker(worker);
  }

  #die(index: number, startedJobs: number): void {
    const worker = this.workers[index];
    if (worker === undefined) return;
    this.workers = this.workers.filter((other) => other !== worker);
    this.scheduler.removeWorker(worker);
    for (const job of worker.holding.slice(0, startedJobs)) job.begin();
    this.scheduler.takeBack(worker.drop(), DEATH);
  }

  #leave(index: number): void {
    const worker = this.workers[index];
    if (worker === undefined) return;
    this.workers = this.workers.filter((other) => other !== worker);
    this.leaving.push(worker);
    this.scheduler.removeWorker(worker);
  }

  #checkBatch(batch: readonly Job[], capacity: number): void {
    const now = this.clock.now();
    const kinds = new Set(batch.map((job) => job.request.kind));
    expect(batch.length).toBeGreaterThan(0);
    expect(batch.length).toBeLessThanOrEqual(capacity);
    expect(kinds.size).toBe(1);
    if (kinds.has('describe') || batch.some((job) => job.isSuspect)) expect(batch.length).toBe(1);
    for (const job of batch) {
      expect(job.state).toBe('held');
      expect(job.deadlineAt).toBeGreaterThan(now);
    }
    const queued = this.jobs.filter((job) => job.state === 'queued' && job.deadlineAt > now);
    expect(batch).toEqual(batch.toSorted(byTurn));
    for (const job of batch) for (const other of queued) expect(byTurn(job, other)).toBeLessThan(0);
  }

  #check(): void {
    const inHand = this.workers.flatMap((worker) => worker.holding);
    // What a worker that leaves was given ahead can go to nobody else any more.
    const leaving = this.leaving.flatMap((worker) => [...worker.holding, ...worker.ahead.flat()]);
    const running = [...inHand, ...leaving].filter((job) => job.state !== 'ended');
    const ahead = this.workers.flatMap((worker) => worker.aheadJobs).reduce((sum, jobs) => sum + jobs, 0);
    const waiting = this.jobs.filter((job) => job.state === 'queued');
    expect(this.scheduler.running).toBe(running.length);
    expect(this.scheduler.waiting).toBe(waiting.length + ahead);
    if (this.#isLate || !this.workers.some((worker) => worker.room() > 0)) return;
    for (const job of waiting) expect(this.clock.now() - job.arrivedAt).toBeLessThan(this.maxBatchDelayMs);
  }
}

/** By priority and age, then in the order of arrival. */
function byTurn(one: Job, other: Job): number {
  const turnOf = (job: Job) => turnAt(job.arrivedAt, job.request.priority);
  return turnOf(one) - turnOf(other) || one.request.priority - other.request.priority || one.id - other.id;
}

class CheckedWorker extends FakeWorker {
  readonly #onBatch: (batch: readonly Job[]) => void;

  constructor(id: string, capacity: number, maxAheadBatches: number, onBatch: (batch: readonly Job[]) => void) {
    super(id, capacity);
    this.maxAhead = maxAheadBatches;
    this.#onBatch = onBatch;
  }

  override run(batch: readonly Job[]): void {
    super.run(batch);
    this.#onBatch(batch);
  }
}

/** How many answers a job gave: 1 once it is over, and never more than one part or failure here. */
async function countAnswers(job: Job): Promise<number> {
  try {
    return (await job.next()).isLast ? 1 : 0;
  } catch (error) {
    return error instanceof ServingError ? 1 : 0;
  }
}

describe('the scheduler, whatever happens', () => {
  it('answers each job exactly once, in fair batches, and ends with nothing in hand', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 20, maxLength: 80, size: 'max' }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(0, 1, 50, 100),
        fc.constantFrom<Batching>('adaptive', 'fixed'),
        fc.boolean(),
        async (events, batchSize, maxBatchDelayMs, batching, retriesOnWorkerDeath) => {
          const world = new World(batchSize, maxBatchDelayMs, batching, retriesOnWorkerDeath);
          for (const event of events) await world.apply(event);
          world.finish();
          const answers = await Promise.all(world.answers);
          const finished = world.journal.finishedJobs.map((entry) => entry.job.id);
          expect(answers).toEqual(world.jobs.map(() => 1));
          expect(finished.toSorted((a, b) => a - b)).toEqual(world.jobs.map((job) => job.id));
          expect(world.scheduler).toMatchObject({ waiting: 0, running: 0, remainingCapacity: QUEUE_SIZE });
          expect(world.clock.pendingTimers).toBe(0);
          await world.scheduler.idle();
          for (const worker of [...world.workers, ...world.leaving])
            for (const batch of worker.batches) expect(batch.length).toBeLessThanOrEqual(batchSize);
        },
      ),
      { numRuns: 250 },
    );
  });
});
