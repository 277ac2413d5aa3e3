// Random lives of a stateful model: whatever arrives, ends, expires, dies or leaves in whatever order, these things stay true.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import type { Job } from '../../../src/core/job.ts';
import type { FakeWorker } from '../../support/fake-worker.ts';
import { StatefulModel } from '../../support/sequences.ts';

const IDS = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const MAX_SEQUENCES = 4;
const MAX_WAITING = 3;

const event = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      is: fc.constant('arrival' as const),
      id: fc.constantFrom(...IDS),
      start: fc.boolean(),
      end: fc.boolean(),
      timeoutMs: fc.option(fc.nat(100)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('describe' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant('answer' as const),
      worker: fc.nat(2),
      ended: fc.option(fc.constantFrom(...IDS), { freq: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('start' as const) }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('death' as const), worker: fc.nat(2), begun: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('leave' as const), job: fc.nat(60) }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('time' as const), ms: fc.nat(80) }) },
);
type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

class World {
  readonly model = new StatefulModel(
    { maxSequences: MAX_SEQUENCES, maxWaitingJobs: MAX_WAITING, maxIdleMs: 60, lifetimeMs: 300 },
    3,
  );
  readonly jobs: Job[] = [];
  readonly answers: Promise<number>[] = [];
  readonly refusals = new Set<string>();
  workers: FakeWorker[] = [];
  #started = 0;

  apply(event: Event): void {
    switch (event.is) {
      case 'arrival':
        this.#submit(event.id, event);
        break;
      case 'describe':
        this.#submit(undefined, { kind: 'describe' });
        break;
      case 'answer': {
        const worker = this.workers[event.worker];
        const headers = event.ended === null ? [] : [['ts_request_sequence_end', event.ended] as const];
        if (worker !== undefined) this.model.answer(worker, headers);
        break;
      }
      case 'start':
        if (this.workers.length < 3) this.workers.push(this.model.addWorker(`w${this.#started++}`, 3));
        break;
      case 'death': {
        const worker = this.workers[event.worker];
        if (worker === undefined) break;
        this.workers = this.workers.filter((other) => other !== worker);
        this.model.die(worker, worker.holding.slice(0, event.begun), new ServingError('WORKER_DIED', 'died'));
        break;
      }
      case 'leave':
        this.jobs[event.job]?.abandon();
        break;
      case 'time':
        this.model.clock.advance(event.ms);
        break;
    }
    this.#check();
  }

  finish(): void {
    for (let turn = 0; turn < 200; turn += 1) for (const worker of this.workers) this.model.answer(worker);
    this.model.scheduler.failWaiting(() => new ServingError('MODEL_STOPPING', 'over'));
    for (const worker of this.workers) this.model.die(worker, [], new ServingError('WORKER_DIED', 'died'));
  }

  #submit(
    id: string | undefined,
    marks: Omit<Parameters<StatefulModel['submit']>[2] & object, 'deadlineAt'> & { timeoutMs?: number | null },
  ): void {
    const deadlineAt = marks.timeoutMs == null ? Infinity : this.model.clock.now() + marks.timeoutMs;
    try {
      const job = this.model.submit(id, id ?? '', { ...marks, deadlineAt });
      this.jobs.push(job);
      this.answers.push(countAnswers(job));
    } catch (error) {
      expect(error).toBeInstanceOf(ServingError);
      this.refusals.add((error as ServingError).code);
    }
  }

  #check(): void {
    const { scheduler, queue } = this.model;
    expect(queue.openSequences).toBeLessThanOrEqual(MAX_SEQUENCES);
    const inHand = this.workers.flatMap(({ holding }) => holding).filter((job) => job.state !== 'ended');
    const named = inHand.map((job) => job.request.requestId).filter((id) => id !== '');
    expect(new Set(named).size).toBe(named.length);
    expect(scheduler.waiting).toBe(this.jobs.filter((job) => job.state === 'queued').length);
    expect(scheduler.running).toBe(inHand.length);
    for (const id of IDS) {
      const waiting = this.jobs.filter((job) => job.state === 'queued' && job.request.requestId === id);
      // One more may have come back from a worker that died.
      expect(waiting.length).toBeLessThanOrEqual(MAX_WAITING + 1);
    }
    // What could be given out has been: nothing of a sequence waits whose worker is idle, and new ones wait only for a worker.
    const isIdle = this.workers.every(({ holding }) => holding.length === 0);
    if (this.workers.length > 0 && isIdle) expect(scheduler.waiting).toBe(0);
  }
}

/** How many ends a job came to: 1 once it is over. */
async function countAnswers(job: Job): Promise<number> {
  try {
    return (await job.next()).isLast ? 1 : 0;
  } catch (error) {
    return error instanceof ServingError ? 1 : 0;
  }
}

/** Of each worker, the jobs in the order in which it was given them. */
function orderIsKept(workers: readonly FakeWorker[]): void {
  for (const worker of workers) {
    const given = worker.batches.flat();
    for (const id of IDS) {
      const ids = given.filter((job) => job.request.requestId === id).map((job) => job.id);
      expect(ids).toEqual(ids.toSorted((one, other) => one - other));
    }
    for (const batch of worker.batches) expect(batch.length).toBeLessThanOrEqual(3);
  }
}

describe('the sequences of a model, whatever happens', () => {
  it('keep their order and their limits, are never two at a time, and lose no job', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 20, maxLength: 120, size: 'max' }), async (events) => {
        const world = new World();
        const everyWorker = new Set<FakeWorker>();
        for (const each of events) {
          world.apply(each);
          for (const worker of world.workers) everyWorker.add(worker);
        }
        world.finish();
        orderIsKept([...everyWorker]);
        expect(await Promise.all(world.answers)).toEqual(world.jobs.map(() => 1));
        const finished = world.model.journal.finishedJobs.map(({ job }) => job.id);
        expect(finished.toSorted((a, b) => a - b)).toEqual(world.jobs.map(({ id }) => id));
        expect(world.model.scheduler).toMatchObject({ waiting: 0, running: 0 });
        expect(world.model.queue.openSequences).toBe(0);
        expect(world.model.clock.pendingTimers).toBe(0);
        for (const code of world.refusals) expect(['SEQUENCE_LIMIT', 'SEQUENCE_CLOSED']).toContain(code);
      }),
      { numRuns: 150 },
    );
  });

  it('belong to one worker from beginning to end', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...IDS.slice(0, 4)), { minLength: 1, maxLength: 60 }), (ids) => {
        const model = new StatefulModel({ maxSequences: MAX_SEQUENCES }, 2);
        const workers = ['1', '2', '3'].map((id) => model.addWorker(id, 2));
        for (const id of ids) model.submit(id, id);
        for (let turn = 0; turn < ids.length; turn += 1) for (const worker of workers) model.answer(worker);
        const owners = workers.map((worker) => new Set(worker.batches.flat().map((job) => job.request.requestId)));
        for (const id of new Set(ids)) expect(owners.filter((owned) => owned.has(id)).length).toBe(1);
        expect(workers.flatMap((worker) => worker.batches.flat()).length).toBe(ids.length);
        for (const owned of owners) expect(owned.size).toBeLessThanOrEqual(2);
      }),
    );
  });
});
