import { beforeEach, describe, expect, it } from 'vitest';
import type { JobKind } from '../../../src/core/job.ts';
import { JobQueue } from '../../../src/core/job-queue.ts';
import { Scheduler } from '../../../src/core/scheduler.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { DEATH, jobRequest } from '../../support/jobs.ts';
import { ServingJournal } from '../../support/serving-journal.ts';
import { codeOf, rejectionOf } from '../../support/thrown.ts';

let clock: FakeClock;
let journal: ServingJournal;
let scheduler: Scheduler;

function build(batchSize: number): void {
  clock = new FakeClock();
  journal = new ServingJournal();
  scheduler = new Scheduler({
    model: 'm',
    batchSize,
    maxBatchDelayMs: 100,
    batching: 'adaptive',
    queue: new JobQueue(4),
    needsIdleWorker: false,
    retriesOnWorkerDeath: false,
    clock,
    observer: journal,
  });
}

beforeEach(() => build(1));

const submit = (
  requestId: string,
  { kind = 'predict', deadlineAt = Infinity }: { kind?: JobKind; deadlineAt?: number } = {},
) => scheduler.submit(jobRequest({ requestId, kind }), deadlineAt);

function addWorker(maxAhead: number, batchSize = 1): FakeWorker {
  const worker = new FakeWorker('w', batchSize, maxAhead);
  scheduler.addWorker(worker);
  return worker;
}

const idsOf = (worker: FakeWorker) => worker.batches.map((batch) => batch.map((job) => job.request.requestId).join(''));

describe('batches given ahead', () => {
  it('are as many as the worker takes, in order', () => {
    const worker = addWorker(2);
    for (const id of 'abcd') submit(id);
    expect(idsOf(worker)).toEqual(['a', 'b', 'c']);
    worker.answer();
    scheduler.pump();
    expect(idsOf(worker)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are full, and leave a full one behind', () => {
    build(2);
    const worker = addWorker(3, 2);
    for (const id of 'abcd') submit(id);
    expect(idsOf(worker)).toEqual(['a']);
    submit('e');
    expect(idsOf(worker)).toEqual(['a', 'bc']);
  });

  it('never mix kinds', () => {
    build(2);
    const worker = addWorker(3, 2);
    submit('a');
    submit('b');
    for (const id of 'cde') submit(id, { kind: 'explain' });
    expect(idsOf(worker)).toEqual(['a']);
  });

  it('are not given where another worker could be free sooner', () => {
    const workers = [addWorker(3), addWorker(3)];
    for (const id of 'abcd') submit(id);
    expect(workers.map((worker) => worker.ahead)).toEqual([[], []]);
    expect(scheduler.waiting).toBe(2);
  });

  it('go to several workers that are through with them in no time, to each its share', () => {
    const workers = [addWorker(3), addWorker(3)];
    for (const worker of workers) worker.isQuick = true;
    for (const id of 'abcdef') submit(id);
    expect(workers.map((worker) => worker.ahead.length)).toEqual([2, 2]);
    expect(scheduler.waiting).toBe(4);
  });

  it('still count as waiting: the queue bounds them, and gauges tell them', () => {
    addWorker(2);
    for (const id of 'abcde') submit(id);
    expect(scheduler).toMatchObject({ waiting: 4, running: 1, remainingCapacity: 0 });
    expect(codeOf(() => submit('f'))).toBe('QUEUE_FULL');
  });

  it('make way in the counts when their clients leave', async () => {
    const worker = addWorker(2);
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
    addWorker(2);
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
    const ahead = submit('b');
    clock.advance(40);
    worker.answer();
    worker.start();
    expect(journal.dispatchedJobs.slice(1)).toEqual([{ job: ahead, waitedMs: 40 }]);
  });

  it('go back to the queue when the worker dies', () => {
    const dead = addWorker(1);
    for (const id of 'abc') submit(id);
    dead.start();
    scheduler.removeWorker(dead);
    const [current, ...others] = dead.drop();
    expect(current?.state).toBe('started');
    scheduler.takeBack(others, DEATH);
    expect(scheduler.waiting).toBe(2);
    expect(idsOf(addWorker(0))).toEqual(['b']);
  });
});

describe('another worker that gets ready', () => {
  it('takes over what the busy one was given ahead and gives back', async () => {
    const busy = addWorker(1);
    for (const id of 'ab') submit(id);
    busy.start();
    const free = addWorker(0);
    expect(idsOf(free)).toEqual([]);
    await busy.giveBack();
    expect(idsOf(free)).toEqual(['b']);
    expect(scheduler).toMatchObject({ waiting: 0, running: 2 });
  });

  it('finds it in its old place, before all that came later', async () => {
    const busy = addWorker(1);
    for (const id of 'abcd') submit(id);
    const free = addWorker(0);
    expect(idsOf(free)).toEqual(['c']);
    await busy.giveBack();
    free.answer();
    scheduler.pump();
    expect(idsOf(free)).toEqual(['c', 'b']);
  });

  it('leaves what the busy one has begun with meanwhile', async () => {
    const busy = addWorker(1);
    for (const id of 'ab') submit(id);
    const free = addWorker(0);
    busy.answer();
    busy.start();
    await busy.giveBack();
    expect(idsOf(free)).toEqual([]);
    expect(scheduler).toMatchObject({ waiting: 0, running: 1 });
  });

  it('does not get what nobody waits for any more', async () => {
    const busy = addWorker(2);
    submit('a');
    const [b] = [submit('b'), submit('c')];
    const free = addWorker(0);
    const answer = rejectionOf(b.next());
    b.abandon();
    await answer;
    await busy.giveBack();
    expect(idsOf(free)).toEqual(['c']);
  });

  it('does not make a job look as if its workers died', async () => {
    let busy = addWorker(1);
    for (const id of 'ab') submit(id);
    for (let time = 0; time < 5; time += 1) {
      const other = new FakeWorker('other', 0);
      scheduler.addWorker(other);
      await busy.giveBack();
      expect(scheduler.waiting).toBe(1);
      scheduler.removeWorker(other);
      scheduler.pump();
      expect(busy.ahead).toHaveLength(1);
    }
    scheduler.removeWorker(busy);
    const [, ...unbegun] = busy.drop();
    scheduler.takeBack(unbegun, DEATH);
    busy = addWorker(0);
    expect(idsOf(busy)).toEqual(['b']);
  });
});
