import { beforeEach, describe, expect, it } from 'vitest';
import type { BatchTime } from '../../../src/core/batch-time.ts';
import { ServingError } from '../../../src/core/errors.ts';
import type { Job, JobRequest } from '../../../src/core/job.ts';
import { JobQueue } from '../../../src/core/job-queue.ts';
import { Scheduler, type SchedulerOptions } from '../../../src/core/scheduler.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { DEATH, jobRequest, textOf } from '../../support/jobs.ts';
import { ServingJournal } from '../../support/serving-journal.ts';
import { codeOf, rejectionOf, servingErrorOf } from '../../support/thrown.ts';

let clock: FakeClock;
let journal: ServingJournal;
let scheduler: Scheduler;

beforeEach(() => build());

function build(over: Partial<SchedulerOptions> = {}): void {
  clock = new FakeClock();
  journal = new ServingJournal();
  scheduler = new Scheduler({
    model: 'm',
    batchSize: 4,
    maxBatchDelayMs: 100,
    batching: 'adaptive',
    queue: new JobQueue(10),
    needsIdleWorker: false,
    retriesOnWorkerDeath: false,
    clock,
    observer: journal,
    ...over,
  });
}

interface Submission extends Partial<Pick<JobRequest, 'kind' | 'requestedVersion' | 'priority'>> {
  readonly deadlineAt?: number;
}

function submit(requestId: string, { deadlineAt = Infinity, ...over }: Submission = {}): Job {
  return scheduler.submit(jobRequest({ requestId, ...over }), deadlineAt);
}

function addWorker(id = 'w', capacity = 4): FakeWorker {
  const worker = new FakeWorker(id, capacity);
  scheduler.addWorker(worker);
  return worker;
}

function finish(worker: FakeWorker): void {
  worker.answer();
  scheduler.pump();
}

/** Has the scheduler see what batches of each size take. */
function teach({ baseMs, perJobMs }: BatchTime): void {
  for (let count = 0; count < 16; count += 1) {
    const size = 1 + (count % 4);
    scheduler.computed(size, baseMs + perJobMs * size);
  }
}

const idsOf = (worker: FakeWorker) => worker.batches.map((batch) => batch.map((job) => job.request.requestId).join(''));

async function isIdle(): Promise<boolean> {
  let isIdle = false;
  void scheduler.idle().then(() => {
    isIdle = true;
  });
  await Promise.resolve();
  await Promise.resolve();
  return isIdle;
}

/** A worker that takes jobs as they come, many at a time. */
class EventLoopWorker extends FakeWorker {
  override room(): number {
    return this.capacity - this.batches.flat().length;
  }
}

describe('dispatch', () => {
  it('shares jobs out among workers that hold many at a time', () => {
    build({ batchSize: 1, queue: new JobQueue(100) });
    const workers = [new EventLoopWorker('1', 64, 64), new EventLoopWorker('2', 64, 64)];
    for (const worker of workers) scheduler.addWorker(worker);
    for (const id of 'abcdef') submit(id);
    expect(workers.map(({ batches }) => batches.length)).toEqual([3, 3]);
  });

  it('gives a job to a free worker at once', async () => {
    const worker = addWorker();
    const job = submit('a');
    expect(idsOf(worker)).toEqual(['a']);
    expect(job.state).toBe('held');
    const answer = job.next();
    finish(worker);
    expect(textOf(await answer)).toBe('answer to a');
  });

  it('gives what waited to a worker that becomes ready, in batches and in order', () => {
    for (const id of 'abcdef') submit(id);
    const worker = addWorker();
    expect(idsOf(worker)).toEqual(['abcd']);
    finish(worker);
    expect(idsOf(worker)).toEqual(['abcd', 'ef']);
  });

  it('collects a batch while the only worker is busy, and sends what there is when it is free', () => {
    const worker = addWorker();
    for (const id of 'abc') submit(id);
    finish(worker);
    expect(idsOf(worker)).toEqual(['a', 'bc']);
  });

  it('holds nothing of a model of which it knows too little, or that gains nothing by fuller batches', () => {
    const busy = addWorker('busy');
    const worker = addWorker('free');
    submit('x');
    submit('a');
    expect(idsOf(worker)).toEqual(['a']);
    teach({ baseMs: 1, perJobMs: 20 });
    finish(busy);
    submit('b');
    finish(worker);
    submit('c');
    expect(idsOf(worker)).toEqual(['a', 'c']);
  });

  it('holds a batch for no longer than it can gain by that', () => {
    addWorker('busy');
    const worker = addWorker('free');
    teach({ baseMs: 8, perJobMs: 0.5 });
    submit('x');
    submit('a');
    clock.advance(7.9);
    expect(idsOf(worker)).toEqual([]);
    clock.advance(0.2);
    expect(idsOf(worker)).toEqual(['a']);
  });

  it('holds no job so long that its answer would be late', () => {
    addWorker('busy');
    const worker = addWorker('free');
    teach({ baseMs: 50, perJobMs: 1 });
    submit('x');
    submit('a', { deadlineAt: 80 });
    clock.advance(25);
    expect(idsOf(worker)).toEqual([]);
    clock.advance(1);
    expect(idsOf(worker)).toEqual(['a']);
  });

  it('holds with batching=fixed even for an idle worker, as TorchServe does', () => {
    build({ batching: 'fixed' });
    const worker = addWorker();
    submit('a');
    clock.advance(99);
    submit('b');
    expect(idsOf(worker)).toEqual([]);
    clock.advance(1);
    expect(idsOf(worker)).toEqual(['ab']);
  });

  it('holds a batch that is not full while another worker is busy, until the oldest has waited the delay', () => {
    addWorker('busy');
    teach({ baseMs: 500, perJobMs: 1 });
    const worker = addWorker('free');
    submit('x');
    submit('a');
    clock.advance(60);
    submit('b');
    clock.advance(39);
    expect(idsOf(worker)).toEqual([]);
    clock.advance(1);
    expect(idsOf(worker)).toEqual(['ab']);
  });

  it('sends a held batch as soon as it is full', () => {
    addWorker('busy');
    const worker = addWorker('free');
    teach({ baseMs: 500, perJobMs: 1 });
    submit('x');
    for (const id of 'abc') submit(id);
    expect(idsOf(worker)).toEqual([]);
    submit('d');
    expect(idsOf(worker)).toEqual(['abcd']);
  });

  it('sends a held batch when the other worker becomes idle or goes away', () => {
    const busy = addWorker('busy');
    const worker = addWorker('free');
    teach({ baseMs: 500, perJobMs: 1 });
    submit('x');
    submit('a');
    expect(idsOf(worker)).toEqual([]);
    scheduler.removeWorker(busy);
    expect(idsOf(worker)).toEqual(['a']);
  });

  it('lets a job that waited its delay behind busy workers go at once with whatever waits beside it', () => {
    const first = addWorker('1');
    const second = addWorker('2');
    teach({ baseMs: 500, perJobMs: 1 });
    submit('x');
    for (const id of 'yyyy') submit(id);
    submit('a');
    clock.advance(150);
    submit('b');
    finish(first);
    expect(idsOf(first)).toEqual(['x', 'ab']);
    expect(second.batches).toHaveLength(1);
  });

  it('never lets kinds share a batch, and gains nothing by holding back what no later job can join', () => {
    addWorker('busy');
    submit('x');
    for (const id of 'ab') submit(id);
    submit('c', { kind: 'explain' });
    submit('d');
    const worker = addWorker('free');
    expect(idsOf(worker)).toEqual(['ab']);
    finish(worker);
    expect(idsOf(worker)).toEqual(['ab', 'c']);
  });

  it('sends each describe alone', () => {
    const blocker = addWorker();
    submit('x');
    submit('a', { kind: 'describe' });
    submit('b', { kind: 'describe' });
    finish(blocker);
    finish(blocker);
    expect(idsOf(blocker)).toEqual(['x', 'a', 'b']);
  });

  it('gives a worker no more than it has room for', () => {
    for (const id of 'abc') submit(id);
    expect(idsOf(addWorker('small', 2))).toEqual(['ab']);
  });

  it('gives nothing to a worker that was removed', () => {
    const worker = addWorker();
    scheduler.removeWorker(worker);
    submit('a');
    expect(worker.batches).toEqual([]);
    expect(scheduler.waiting).toBe(1);
  });

  it('reports each step once, with the times since arrival', () => {
    const worker = addWorker();
    submit('x');
    const job = submit('a');
    clock.advance(30);
    finish(worker);
    clock.advance(5);
    worker.start();
    clock.advance(7);
    finish(worker);
    expect(journal.queuedJobs).toContain(job);
    expect(journal.dispatchedJobs.filter((entry) => entry.job === job)).toEqual([{ job, waitedMs: 35 }]);
    expect(journal.finishedJobs.filter((entry) => entry.job === job)).toEqual([
      { job, failure: undefined, tookMs: 42 },
    ]);
  });
});

describe('deadlines at dispatch', () => {
  it('keep a worker from computing what even its quickest answer would be too late for', async () => {
    build({ batchSize: 1 });
    const worker = addWorker();
    for (let count = 0; count < 12; count += 1) scheduler.computed(1, 20 + (count % 3));
    submit('x');
    const late = submit('a', { deadlineAt: 100 });
    submit('b', { deadlineAt: 102 });
    const answer = rejectionOf(late.next());
    clock.advance(81);
    finish(worker);
    expect(idsOf(worker)).toEqual(['x', 'b']);
    expect(await answer).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message:
        'The request allowed 100 ms. 19 ms of them were left when its turn came, and model m takes at least 20 ms.',
    });
  });

  it('let one of those that were held through when nothing else is left, so that a slow past does not refuse a quick present for ever', () => {
    build({ batching: 'fixed' });
    const worker = addWorker();
    for (let count = 0; count < 70; count += 1) scheduler.computed(1, 150);
    submit('a', { deadlineAt: 200 });
    submit('b', { deadlineAt: 200 });
    clock.advance(100);
    expect(idsOf(worker)).toEqual(['a']);
  });

  it('do not keep it from what it can begin with at once, so that what was learned can be wrong', () => {
    build({ batchSize: 1 });
    const worker = addWorker();
    for (let count = 0; count < 12; count += 1) scheduler.computed(1, 500);
    submit('a', { deadlineAt: 10 });
    expect(idsOf(worker)).toEqual(['a']);
  });
});

describe('priorities', () => {
  it('go before the order of arrival, which counts within each of them', () => {
    build({ batchSize: 1 });
    const worker = addWorker();
    submit('x');
    submit('l', { priority: 8 });
    submit('m');
    submit('h', { priority: 1 });
    submit('i', { priority: 1 });
    for (let count = 0; count < 5; count += 1) finish(worker);
    expect(idsOf(worker)).toEqual(['x', 'h', 'i', 'm', 'l']);
  });

  it('count for less and less beside the age of what waits: the lowest is never starved', () => {
    build({ batchSize: 1 });
    const worker = addWorker();
    submit('x');
    submit('l', { priority: 8 });
    clock.advance(6_999);
    submit('h', { priority: 1 });
    clock.advance(2);
    submit('i', { priority: 1 });
    for (let count = 0; count < 4; count += 1) finish(worker);
    expect(idsOf(worker)).toEqual(['x', 'h', 'l', 'i']);
  });
});

describe('admission', () => {
  /** Has the version get through some jobs, each in so many milliseconds, while others wait. */
  function work(worker: FakeWorker, jobs: number, msEach: number): void {
    submit('x');
    for (let count = 0; count < jobs; count += 1) {
      submit('y');
      clock.advance(msEach);
      finish(worker);
    }
    finish(worker);
  }

  it('says when to come back by the rate at which jobs are done', () => {
    build({ batchSize: 1, queue: new JobQueue(3) });
    work(addWorker(), 20, 1500);
    for (const id of 'abcd') submit(id);
    expect(servingErrorOf(() => submit('e'))).toMatchObject({ code: 'QUEUE_FULL', details: { retryAfterSec: 5 } });
  });

  it('refuses at once what would be too late at that rate, and says so', () => {
    build({ batchSize: 1 });
    work(addWorker(), 20, 100);
    for (const id of 'abcd') submit(id, { deadlineAt: clock.now() + 1000 });
    expect(servingErrorOf(() => submit('e', { deadlineAt: clock.now() + 450 }))).toMatchObject({
      code: 'WAIT_TOO_LONG',
      message: expect.stringContaining(
        'allows 450 ms, and behind those that wait for model m it would take about 500 ms',
      ),
      details: { model: 'm', retryAfterSec: 1 },
    });
    submit('f', { deadlineAt: clock.now() + 550 });
    submit('g', { deadlineAt: clock.now() + 250, priority: 1 });
    expect(scheduler.waiting).toBe(5);
  });

  it('takes in whatever a worker could begin with at once, and everything while nothing is known of the rate', () => {
    build({ batchSize: 1 });
    submit('a', { deadlineAt: 1 });
    submit('b', { deadlineAt: 1 });
    build({ batchSize: 1 });
    work(addWorker(), 20, 100);
    submit('c', { deadlineAt: clock.now() + 1 });
    expect(scheduler.running).toBe(1);
  });

  /** Has the version compute one batch after the other, each held as long as it may be, with a job that waits while the first is computed. */
  function workHeld(worker: FakeWorker, batches: number, msEach: number): void {
    for (let count = 0; count < batches; count += 1) {
      submit('a');
      clock.advance(100);
      submit('b');
      clock.advance(msEach);
      finish(worker);
      clock.advance(100);
      finish(worker);
    }
  }

  it('does not take the time for which a batch is held for that of its workers', () => {
    build({ batching: 'fixed' });
    const worker = addWorker();
    workHeld(worker, 20, 10);
    for (const id of 'abcdefg') submit(id);
    submit('h', { deadlineAt: clock.now() + 90 });
    expect(scheduler).toMatchObject({ running: 4, waiting: 4 });
  });

  it('takes in what may join a batch that is held for it, however slow the version is', () => {
    build({ batching: 'fixed' });
    const worker = addWorker();
    workHeld(worker, 20, 1000);
    for (const id of 'abc') submit(id);
    expect(scheduler).toMatchObject({ running: 0, waiting: 3 });
    submit('d', { deadlineAt: clock.now() + 50 });
    expect(scheduler).toMatchObject({ running: 4, waiting: 0 });
  });

  it('does not count what a worker computed after those that waited had left', () => {
    build({ batchSize: 1 });
    const worker = addWorker();
    work(worker, 20, 10);
    for (let count = 0; count < 20; count += 1) {
      submit('x');
      submit('y').abandon();
      clock.advance(1000);
      finish(worker);
    }
    for (const id of 'xy') submit(id);
    submit('z', { deadlineAt: clock.now() + 50 });
    expect(scheduler).toMatchObject({ running: 1, waiting: 2 });
  });

  it('knows that a batch of many may take no longer than the single requests that the rate was learned from', () => {
    build();
    const worker = addWorker();
    for (let burst = 0; burst < 30; burst += 1) {
      for (const id of 'xabcd') submit(id, { deadlineAt: clock.now() + 250 });
      for (const size of [1, 4]) {
        clock.advance(100);
        scheduler.computed(size, 100);
        finish(worker);
      }
      expect(scheduler.running).toBe(0);
    }
    for (const id of 'xabcd') submit(id);
    const tooSoon = { deadlineAt: clock.now() + 250 };
    expect(servingErrorOf(() => submit('e', tooSoon))).toMatchObject({
      code: 'WAIT_TOO_LONG',
      message: expect.stringContaining('about 300 ms'),
    });
  });

  it('goes by the rate alone where jobs join what is computed, whatever the calls of the handler take', () => {
    build({ batchSize: 1 });
    const worker = addWorker('w', 1);
    Object.defineProperty(worker, 'takesAnyTime', { value: true });
    work(worker, 20, 100);
    teach({ baseMs: 1, perJobMs: 0 });
    for (const id of 'abcd') submit(id);
    expect(codeOf(() => submit('e', { deadlineAt: clock.now() + 250 }))).toBe('WAIT_TOO_LONG');
  });

  it('forgets a stall soon', () => {
    build({ batchSize: 1 });
    const worker = addWorker();
    work(worker, 20, 10);
    submit('x');
    submit('y');
    clock.advance(3_600_000);
    finish(worker);
    finish(worker);
    work(worker, 40, 10);
    for (const id of 'abc') submit(id);
    submit('d', { deadlineAt: clock.now() + 80 });
    expect(scheduler.waiting).toBe(3);
  });

  it('refuses what does not fit in the queue, and says what to do', () => {
    build({ queue: new JobQueue(2) });
    submit('a');
    submit('b');
    const error = servingErrorOf(() => submit('c', { requestedVersion: '1.0' }));
    expect(error).toMatchObject({ code: 'QUEUE_FULL', details: { model: 'm', version: '1.0', retryAfterSec: 1 } });
    expect(error.message).toContain('job_queue_size');
    expect(scheduler.remainingCapacity).toBe(0);
    expect(journal.queuedJobs).toHaveLength(2);
  });

  it('turns new jobs away while a refusal is in force, and keeps what waits', () => {
    submit('a');
    scheduler.refuse((request) => new ServingError('MODEL_STOPPING', `no ${request.requestId}`));
    expect(servingErrorOf(() => submit('b')).message).toBe('no b');
    expect(scheduler.waiting).toBe(1);
    scheduler.refuse(undefined);
    submit('c');
    expect(scheduler.waiting).toBe(2);
  });

  it('ends every waiting job, but none that a worker has', async () => {
    const worker = addWorker();
    const running = submit('x');
    const waiting = [submit('a'), submit('b')];
    scheduler.failWaiting(() => new ServingError('MODEL_UNAVAILABLE', 'no'));
    for (const job of waiting) expect((await rejectionOf(job.next())).code).toBe('MODEL_UNAVAILABLE');
    expect(running.state).toBe('held');
    expect(scheduler.waiting).toBe(0);
    finish(worker);
    expect(textOf(await running.next())).toBe('answer to x');
  });
});

describe('deadlines', () => {
  it('answers a job at its deadline while it waits', async () => {
    const job = submit('a', { deadlineAt: 50 });
    clock.advance(49);
    expect(job.state).toBe('queued');
    clock.advance(1);
    const error = await rejectionOf(job.next());
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', details: { model: 'm' } });
    expect(error.message).toBe('The request allowed 50 ms, and they were over while it waited for a worker.');
    expect(scheduler.waiting).toBe(0);
    expect(addWorker().batches).toEqual([]);
  });

  it('answers a job at its deadline while a worker has it, and tells the worker', async () => {
    const worker = addWorker();
    const job = submit('a', { deadlineAt: 50 });
    worker.start();
    clock.advance(50);
    expect((await rejectionOf(job.next())).message).toContain('while the model computed it');
    expect(worker.cancelled).toEqual([job]);
    expect(scheduler.running).toBe(0);
  });

  it('sets no timer without a deadline, and leaves none behind', () => {
    const worker = addWorker();
    submit('a');
    expect(clock.pendingTimers).toBe(0);
    finish(worker);
    submit('b', { deadlineAt: 50 });
    expect(clock.pendingTimers).toBe(1);
    finish(worker);
    expect(clock.pendingTimers).toBe(0);
  });

  it('gives no expired job to a worker, even when its timer comes late', async () => {
    const worker = addWorker();
    submit('x');
    const [expired, alive, alsoExpired] = [
      submit('a', { deadlineAt: 50 }),
      submit('b', { deadlineAt: 500 }),
      submit('c', { deadlineAt: 60 }),
    ];
    clock.stall(70);
    finish(worker);
    expect(idsOf(worker)).toEqual(['x', 'b']);
    for (const job of [expired, alsoExpired])
      expect((await rejectionOf(job.next())).message).toContain('while it waited for a worker');
    expect(alive.state).toBe('held');
    expect(scheduler).toMatchObject({ waiting: 0, running: 1 });
    clock.advance(0);
    expect(journal.finishedJobs).toHaveLength(3);
  });

  it('looks for the next batch when everything at the head has expired', () => {
    const worker = addWorker();
    submit('x');
    for (const id of 'abcd') submit(id, { deadlineAt: 50 });
    submit('e');
    clock.stall(70);
    finish(worker);
    expect(idsOf(worker)).toEqual(['x', 'e']);
  });
});

describe('cancellation', () => {
  it('takes a waiting job out of the queue', () => {
    const worker = addWorker();
    submit('x');
    const [a, b] = [submit('a'), submit('b')];
    a.abandon();
    finish(worker);
    expect(idsOf(worker)).toEqual(['x', 'b']);
    expect(b.state).toBe('held');
    expect(journal.finishedJobs.find((entry) => entry.job === a)?.failure).toBe('CANCELLED');
  });

  it('tells the worker that has the job, and ignores its late answer', async () => {
    const worker = addWorker();
    const job = submit('a');
    job.abandon();
    expect(worker.cancelled).toEqual([job]);
    finish(worker);
    expect((await rejectionOf(job.next())).code).toBe('CANCELLED');
    expect(scheduler.running).toBe(0);
    expect(journal.finishedJobs).toHaveLength(1);
  });

  it('passes a reader`s appetite on to the worker', async () => {
    const worker = addWorker();
    const job = submit('a');
    job.deliver({
      chunks: [Buffer.from('123')],
      sizeBytes: 3,
      isLast: false,
      encoding: 'text',
      status: 200,
      reason: '',
      headers: [],
    });
    await job.next();
    void job.next();
    expect(worker.credits).toEqual([{ job, sizeBytes: 3 }]);
  });
});

describe('a worker that dies', () => {
  it('gives back what it had not started, ahead of what came later and in order', () => {
    const dead = addWorker('dead');
    submit('x');
    dead.answer();
    for (const id of 'abc') submit(id);
    scheduler.pump();
    submit('d');
    scheduler.removeWorker(dead);
    scheduler.takeBack(dead.drop(), DEATH);
    expect(scheduler).toMatchObject({ waiting: 4, running: 0 });
    expect(idsOf(addWorker('next'))).toEqual(['abcd']);
  });

  it('gives back in the order of arrival when several die', () => {
    build({ batchSize: 2 });
    for (const id of 'abcd') submit(id);
    const [first, second] = [addWorker('1'), addWorker('2')];
    submit('e');
    for (const dead of [first, second]) scheduler.removeWorker(dead);
    for (const dead of [first, second]) scheduler.takeBack(dead.drop(), DEATH);
    const next = addWorker('next');
    finish(next);
    finish(next);
    expect(idsOf(next)).toEqual(['ab', 'cd', 'e']);
  });

  it('gives back neither started nor cancelled jobs', () => {
    build({ batchSize: 3 });
    for (const id of 'abc') submit(id);
    const dead = addWorker('dead');
    const [started, cancelled, held] = dead.holding;
    if (started !== undefined) started.state = 'started';
    cancelled?.abandon();
    scheduler.removeWorker(dead);
    scheduler.takeBack(dead.drop(), DEATH);
    expect(scheduler.waiting).toBe(1);
    expect(held?.state).toBe('queued');
    started?.fail(new ServingError('WORKER_DIED', 'died'));
    expect(scheduler.running).toBe(0);
  });

  it('gives its jobs at once to a worker that is free', () => {
    const dead = addWorker('dead');
    submit('a');
    const other = addWorker('other');
    scheduler.removeWorker(dead);
    scheduler.takeBack(dead.drop(), DEATH);
    expect(idsOf(other)).toEqual(['a']);
  });

  it('leaves the deadline of a returned job in force', () => {
    const dead = addWorker('dead');
    const job = submit('a', { deadlineAt: 50 });
    scheduler.removeWorker(dead);
    scheduler.takeBack(dead.drop(), DEATH);
    clock.advance(50);
    expect(job.state).toBe('ended');
    expect(scheduler.waiting).toBe(0);
  });

  it('may overfill the queue with what comes back, which then refuses new jobs', () => {
    build({ queue: new JobQueue(1) });
    const dead = addWorker('dead');
    submit('a');
    submit('b');
    scheduler.removeWorker(dead);
    scheduler.takeBack(dead.drop(), DEATH);
    expect(scheduler).toMatchObject({ waiting: 2, remainingCapacity: 0 });
    expect(codeOf(() => submit('c'))).toBe('QUEUE_FULL');
  });
});

describe('a job that comes back again and again', () => {
  it('fails when the third worker has died before it began with it, so that it cannot end every worker there is', async () => {
    const job = submit('poison');
    for (const id of ['first', 'second', 'third']) {
      expect(job.state).not.toBe('ended');
      const dead = addWorker(id);
      scheduler.removeWorker(dead);
      scheduler.takeBack(dead.drop(), DEATH);
    }
    expect((await rejectionOf(job.next())).code).toBe('WORKER_DIED');
    expect(scheduler).toMatchObject({ waiting: 0, running: 0 });
    expect(await isIdle()).toBe(true);
  });
});

describe('idle', () => {
  it('is so when nothing was ever asked', async () => {
    expect(await isIdle()).toBe(true);
  });

  it('waits for what runs and for what waits', async () => {
    build({ batchSize: 1 });
    const worker = addWorker('w', 1);
    submit('a');
    submit('b');
    const whenIdle = scheduler.idle();
    finish(worker);
    expect(await isIdle()).toBe(false);
    finish(worker);
    await whenIdle;
    expect(await isIdle()).toBe(true);
  });

  it('is not so when an expired job makes way for one that is given out', async () => {
    const worker = addWorker();
    submit('x');
    submit('a', { deadlineAt: 50 });
    submit('b');
    const whenIdle = scheduler.idle().then(() => scheduler.running);
    clock.stall(70);
    finish(worker);
    await Promise.resolve();
    finish(worker);
    expect(await whenIdle).toBe(0);
    expect(idsOf(worker)).toEqual(['x', 'b']);
  });
});

describe('a model whose requests may not wait', () => {
  it('takes a request for each idle worker, and refuses the others', () => {
    build({ needsIdleWorker: true });
    expect(codeOf(() => submit('early'))).toBe('NO_IDLE_WORKER');
    const worker = addWorker();
    submit('a');
    const error = servingErrorOf(() => submit('b'));
    expect(error).toMatchObject({ code: 'NO_IDLE_WORKER', details: { model: 'm', retryAfterSec: 1 } });
    expect(error.message).toContain('useJobTicket');
    finish(worker);
    submit('c');
    expect(idsOf(worker)).toEqual(['a', 'c']);
  });
});

describe('workers that take jobs at any time', () => {
  it('get a job at once, whether others are busy or not', () => {
    build({ batchSize: 4 });
    addWorker('busy');
    submit('x');
    const worker = new EventLoopWorker('free', 64);
    Object.defineProperty(worker, 'takesAnyTime', { value: true });
    scheduler.addWorker(worker);
    submit('a');
    expect(idsOf(worker)).toEqual(['a']);
  });
});
