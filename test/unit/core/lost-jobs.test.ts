// Jobs of workers that die: what another worker gets, what fails, and that a job which ends workers ends two at most.
import { beforeEach, describe, expect, it } from 'vitest';
import type { Job, JobKind } from '../../../src/core/job.ts';
import { JobQueue } from '../../../src/core/job-queue.ts';
import { Scheduler } from '../../../src/core/scheduler.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { DEATH, jobRequest, textOf, textPart } from '../../support/jobs.ts';
import { ServingJournal } from '../../support/serving-journal.ts';
import { rejectionOf } from '../../support/thrown.ts';

let clock: FakeClock;
let journal: ServingJournal;
let scheduler: Scheduler;

beforeEach(() => build(true));

function build(retriesOnWorkerDeath: boolean): void {
  clock = new FakeClock();
  journal = new ServingJournal();
  scheduler = new Scheduler({
    model: 'm',
    batchSize: 4,
    maxBatchDelayMs: 0,
    batching: 'adaptive',
    queue: new JobQueue(10),
    needsIdleWorker: false,
    retriesOnWorkerDeath,
    clock,
    observer: journal,
  });
}

function submit(requestId: string, kind: JobKind = 'predict', deadlineAt = Infinity): Job {
  return scheduler.submit(jobRequest({ requestId, kind }), deadlineAt);
}

function addWorker(): FakeWorker {
  const worker = new FakeWorker('w', 4);
  scheduler.addWorker(worker);
  return worker;
}

/** The worker begins with what it has, and dies. */
function dieWith(worker: FakeWorker): readonly string[] {
  worker.start();
  scheduler.removeWorker(worker);
  return scheduler.takeBack(worker.drop(), DEATH).map(({ request }) => request.requestId);
}

const idsOf = (worker: FakeWorker) => worker.batches.map((batch) => batch.map((job) => job.request.requestId).join(''));

describe('a job that was begun with when its worker died', () => {
  it('fails without the wish to have it tried again', async () => {
    build(false);
    const job = submit('a');
    expect(dieWith(addWorker())).toEqual([]);
    expect(await rejectionOf(job.next())).toBe(DEATH);
    expect(scheduler).toMatchObject({ waiting: 0, running: 0 });
  });

  it('is given to another worker, once, and its waiting is measured once', async () => {
    const job = submit('a');
    dieWith(addWorker());
    expect(scheduler).toMatchObject({ waiting: 1, running: 0 });
    const next = addWorker();
    next.answer();
    expect(textOf(await job.next())).toBe('answer to a');
    expect(journal.dispatchedJobs).toHaveLength(1);
  });

  it('fails when a second worker dies of it, with the reason, without advice to try again, and is named', async () => {
    const job = submit('a');
    dieWith(addWorker());
    expect(dieWith(addWorker())).toEqual(['a']);
    const failure = await rejectionOf(job.next());
    expect(failure).toMatchObject({ code: 'WORKER_DIED', message: expect.stringContaining('a second one did') });
    expect(failure.message).toContain(DEATH.message);
    expect(failure.details.retryAfterSec).toBeUndefined();
    expect(scheduler).toMatchObject({ waiting: 0, running: 0 });
  });

  it('travels alone from then on, so that only the one that ends workers fails', async () => {
    const jobs = [...'abc'].map((id) => submit(id));
    dieWith(addWorker());
    const second = addWorker();
    submit('d');
    expect(idsOf(second)).toEqual(['a']);
    second.answer();
    scheduler.pump();
    expect(dieWith(second)).toEqual(['b']);
    const third = addWorker();
    third.answer();
    scheduler.pump();
    expect(idsOf(third)).toEqual(['c', 'd']);
    expect(await Promise.all(jobs.map((job) => job.next().then(textOf, ({ code }) => code)))).toEqual([
      'answer to a',
      'WORKER_DIED',
      'answer to c',
    ]);
  });

  it('leaves its company to those that wait behind it', () => {
    for (const id of 'ab') submit(id);
    dieWith(addWorker());
    for (const id of 'cd') submit(id);
    const next = addWorker();
    for (let turn = 0; turn < 3; turn++) {
      next.answer();
      scheduler.pump();
    }
    expect(idsOf(next)).toEqual(['a', 'b', 'cd']);
  });

  it('fails when its reader has a part of the answer already', async () => {
    const job = submit('a');
    const worker = addWorker();
    worker.start();
    job.deliver(textPart('half', { isLast: false }));
    dieWith(worker);
    expect(textOf(await job.next())).toBe('half');
    expect(await rejectionOf(job.next())).toBe(DEATH);
  });

  it('fails when it is a description: who wants it can ask again', async () => {
    const job = submit('a', 'describe');
    dieWith(addWorker());
    expect(await rejectionOf(job.next())).toBe(DEATH);
  });

  it('keeps its deadline', async () => {
    const job = submit('a', 'predict', 50);
    dieWith(addWorker());
    clock.advance(50);
    expect((await rejectionOf(job.next())).code).toBe('DEADLINE_EXCEEDED');
    expect(scheduler.waiting).toBe(0);
  });

  it('is let go when its client leaves while it waits', () => {
    const job = submit('a');
    dieWith(addWorker());
    job.abandon();
    expect(scheduler).toMatchObject({ waiting: 0, running: 0 });
    expect(idsOf(addWorker())).toEqual([]);
  });
});
