import { beforeEach, describe, expect, it } from 'vitest';
import type { JobKind } from '../../../src/core/job.ts';
import { JobQueue } from '../../../src/core/job-queue.ts';
import { Scheduler } from '../../../src/core/scheduler.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { jobRequest } from '../../support/jobs.ts';
import { ServingJournal } from '../../support/serving-journal.ts';
import { codeOf, rejectionOf } from '../../support/thrown.ts';

let clock: FakeClock;
let journal: ServingJournal;
let scheduler: Scheduler;

beforeEach(() => {
  clock = new FakeClock();
  journal = new ServingJournal();
  scheduler = new Scheduler({
    model: 'm',
    batchSize: 2,
    maxBatchDelayMs: 100,
    queue: new JobQueue(4),
    needsIdleWorker: false,
    clock,
    observer: journal,
  });
});

const submit = (
  requestId: string,
  { kind = 'predict', deadlineAt = Infinity }: { kind?: JobKind; deadlineAt?: number } = {},
) => scheduler.submit(jobRequest({ requestId, kind }), deadlineAt);

function addWorker(maxAhead: number): FakeWorker {
  const worker = new FakeWorker('w', 2, maxAhead);
  scheduler.addWorker(worker);
  return worker;
}

const idsOf = (worker: FakeWorker) => worker.batches.map((batch) => batch.map((job) => job.request.requestId).join(''));

describe('batches given ahead', () => {
  it('are full ones, in order, and as many as the worker takes', () => {
    const worker = addWorker(1);
    for (const id of 'abcde') submit(id);
    expect(idsOf(worker)).toEqual(['a', 'bc']);
    worker.answer();
    scheduler.pump();
    expect(idsOf(worker)).toEqual(['a', 'bc', 'de']);
  });

  it('are not what could still become a fuller batch', () => {
    const worker = addWorker(3);
    submit('a');
    submit('b');
    expect(idsOf(worker)).toEqual(['a']);
    submit('c');
    expect(idsOf(worker)).toEqual(['a', 'bc']);
  });

  it('never mix kinds', () => {
    const worker = addWorker(3);
    submit('a');
    submit('b');
    submit('c', { kind: 'explain' });
    submit('d', { kind: 'explain' });
    expect(idsOf(worker)).toEqual(['a']);
  });

  it('are not given where another worker could be free sooner', () => {
    const workers = [addWorker(3), addWorker(3)];
    for (const id of 'ab') submit(id);
    for (const id of 'cdef') submit(id);
    expect(workers.map((worker) => worker.ahead)).toEqual([[], []]);
    expect(scheduler.waiting).toBe(3);
  });

  it('still count as waiting: the queue bounds them, and gauges tell them', () => {
    addWorker(2);
    for (const id of 'abcde') submit(id);
    expect(scheduler).toMatchObject({ waiting: 4, running: 1, remainingCapacity: 0 });
    expect(codeOf(() => submit('f'))).toBe('QUEUE_FULL');
  });

  it('make way in the counts when their clients leave', async () => {
    const worker = addWorker(1);
    submit('a');
    const [b, c] = [submit('b'), submit('c')];
    const answers = [b, c].map((job) => rejectionOf(job.next()));
    b.abandon();
    c.abandon();
    await Promise.all(answers);
    expect(worker.cancelled).toEqual([b, c]);
    expect(scheduler).toMatchObject({ waiting: 0, running: 1 });
  });

  it('end at their deadline like any that waits', async () => {
    addWorker(1);
    submit('a');
    const b = submit('b', { deadlineAt: 50 });
    submit('c');
    const answer = rejectionOf(b.next());
    clock.advance(50);
    expect((await answer).code).toBe('DEADLINE_EXCEEDED');
    expect(scheduler).toMatchObject({ waiting: 1, running: 1 });
  });

  it('have waited until their worker begins with them', () => {
    const worker = addWorker(1);
    submit('a');
    worker.start();
    const ahead = [submit('b'), submit('c')];
    clock.advance(40);
    worker.answer();
    worker.start();
    expect(journal.dispatchedJobs.slice(1)).toEqual(ahead.map((job) => ({ job, waitedMs: 40 })));
  });

  it('go back to the queue when the worker dies', () => {
    const dead = addWorker(1);
    for (const id of 'abcd') submit(id);
    dead.start();
    scheduler.removeWorker(dead);
    const [current, ...others] = dead.drop();
    expect(current?.state).toBe('started');
    scheduler.takeBack(others);
    expect(scheduler.waiting).toBe(3);
    expect(idsOf(addWorker(0))).toEqual(['bc']);
  });
});

describe('another worker that gets ready', () => {
  it('takes over what the busy one was given ahead and gives back', async () => {
    const busy = addWorker(2);
    for (const id of 'abcde') submit(id);
    busy.start();
    const free = addWorker(0);
    expect(idsOf(free)).toEqual([]);
    await busy.giveBack();
    expect(idsOf(free)).toEqual(['bc']);
    expect(scheduler).toMatchObject({ waiting: 2, running: 3 });
  });

  it('finds it in its old place, before all that came later', async () => {
    const busy = addWorker(1);
    for (const id of 'abcd') submit(id);
    const free = addWorker(0);
    clock.advance(100);
    expect(idsOf(free)).toEqual(['d']);
    await busy.giveBack();
    submit('e');
    free.answer();
    scheduler.pump();
    expect(idsOf(free)).toEqual(['d', 'bc']);
  });

  it('leaves what the busy one has begun with meanwhile', async () => {
    const busy = addWorker(1);
    for (const id of 'abc') submit(id);
    const free = addWorker(0);
    busy.answer();
    busy.start();
    await busy.giveBack();
    expect(idsOf(free)).toEqual([]);
    expect(scheduler).toMatchObject({ waiting: 0, running: 2 });
  });

  it('does not get what nobody waits for any more', async () => {
    const busy = addWorker(1);
    submit('a');
    const [b] = [submit('b'), submit('c')];
    const free = addWorker(0);
    const answer = rejectionOf(b.next());
    b.abandon();
    await answer;
    await busy.giveBack();
    clock.advance(100);
    expect(idsOf(free)).toEqual(['c']);
  });

  it('does not make a job look as if its workers died', async () => {
    let busy = addWorker(1);
    for (const id of 'abc') submit(id);
    for (let time = 0; time < 5; time += 1) {
      const other = new FakeWorker('other', 0);
      scheduler.addWorker(other);
      await busy.giveBack();
      expect(scheduler.waiting).toBe(2);
      scheduler.removeWorker(other);
      scheduler.pump();
      expect(busy.ahead).toHaveLength(1);
    }
    scheduler.removeWorker(busy);
    const [, ...unbegun] = busy.drop();
    scheduler.takeBack(unbegun);
    busy = addWorker(0);
    expect(idsOf(busy)).toEqual(['bc']);
  });
});
