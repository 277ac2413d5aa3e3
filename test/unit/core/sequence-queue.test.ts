import { describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import type { HeaderPair, Job } from '../../../src/core/job.ts';
import { FakeWorker } from '../../support/fake-worker.ts';
import { batchesOf, StatefulModel } from '../../support/sequences.ts';
import { codeOf, rejectionOf, servingErrorOf } from '../../support/thrown.ts';

/** A worker whose running batch others may join. */
class JoinedWorker extends FakeWorker {
  override room(): number {
    return this.capacity - this.holding.length;
  }

  override get takesAnyTime(): boolean {
    return true;
  }

  override run(batch: readonly Job[]): void {
    this.batches.push(batch);
    this.holding = [...this.holding, ...batch];
  }
}

const died = new ServingError('WORKER_DIED', 'died');
const ends = (ids: string): HeaderPair[] => [['ts_request_sequence_end', ids]];

describe('a sequence', () => {
  it('is answered in order, one request at a time, while others share its batches', () => {
    const model = new StatefulModel();
    const worker = model.addWorker('w');
    for (const each of ['a1', 'a2', 'b1', 'b2', 'a3', 'c1']) model.submit(each.slice(0, 1), each);
    for (let turn = 0; turn < 4; turn += 1) model.answer(worker);
    expect(batchesOf(worker)).toEqual(['a1', 'a2 b1 c1', 'b2 a3']);
  });

  it('stays with its worker, also while another one is free', () => {
    const model = new StatefulModel();
    const first = model.addWorker('1');
    const second = model.addWorker('2');
    model.submit('a', 'a1');
    model.submit('a', 'a2');
    expect(batchesOf(second)).toEqual([]);
    model.answer(first);
    model.answer(first);
    model.submit('b', 'b1');
    model.submit('a', 'a3');
    expect([batchesOf(first), batchesOf(second)]).toEqual([['a1', 'a2', 'a3'], ['b1']]);
  });

  it('goes to the worker that has most places left, and no worker gets more than its share', () => {
    const model = new StatefulModel({ maxSequences: 3 });
    const workers = [model.addWorker('1'), model.addWorker('2')];
    for (const id of 'abc') {
      model.submit(id, id);
      for (const worker of workers) model.answer(worker);
    }
    expect(workers.map((worker) => batchesOf(worker).length).sort()).toEqual([1, 2]);
    expect(codeOf(() => model.submit('d', 'd'))).toBe('SEQUENCE_LIMIT');
  });

  it('lets no more than maxSequenceJobQueueSize requests wait', () => {
    const model = new StatefulModel({ maxWaitingJobs: 1 });
    model.addWorker('w');
    model.submit('a', 'a1');
    model.submit('a', 'a2');
    const error = servingErrorOf(() => model.submit('a', 'a3'));
    expect(error.code).toBe('SEQUENCE_LIMIT');
    expect(error.message).toContain('maxSequenceJobQueueSize');
    expect(model.scheduler.waiting).toBe(1);
  });

  it('frees its place when the answer to its last request is there', () => {
    const model = new StatefulModel({ maxSequences: 1 });
    const worker = model.addWorker('w');
    model.submit('a', 'a1');
    model.submit('a', 'a2', { end: true });
    expect(servingErrorOf(() => model.submit('a', 'a3')).message).toContain('is being ended');
    model.answer(worker);
    expect(codeOf(() => model.submit('b', 'b1'))).toBe('SEQUENCE_LIMIT');
    model.answer(worker);
    expect(model.queue.openSequences).toBe(0);
    model.submit('b', 'b1');
  });

  it('is ended by the handler, and what waits of it is told so', async () => {
    const model = new StatefulModel();
    const worker = model.addWorker('w');
    for (const id of 'ab') model.submit(id, id);
    model.answer(worker);
    model.submit('c', 'c');
    const waiting = model.submit('c', 'c2');
    model.answer(worker, ends('a;c'));
    expect((await rejectionOf(waiting.next())).code).toBe('SEQUENCE_CLOSED');
    model.answer(worker);
    expect(model.queue.openSequences).toBe(1);
  });

  it('ends when it has been idle for too long, but not while a request of it waits or is computed', () => {
    const model = new StatefulModel({ maxIdleMs: 100 });
    const worker = model.addWorker('w');
    model.submit('a', 'a1', { start: true });
    model.clock.advance(500);
    model.answer(worker);
    model.clock.advance(99);
    model.submit('a', 'a2');
    model.clock.advance(500);
    model.answer(worker);
    expect(model.queue.openSequences).toBe(1);
    model.clock.advance(100);
    expect(model.queue.openSequences).toBe(0);
    expect(servingErrorOf(() => model.submit('a', 'a3')).message).toContain('sequenceMaxIdleMSec');
    model.submit('a', 'a3', { start: true });
    expect(batchesOf(worker)).toEqual(['a1', 'a2', 'a3']);
  });

  it('may be gone on with after its end by a client that never says when it begins one', () => {
    const model = new StatefulModel({ maxIdleMs: 100 });
    const worker = model.addWorker('w');
    model.submit('a', 'a1');
    model.answer(worker);
    model.clock.advance(100);
    model.submit('a', 'a2');
    expect(batchesOf(worker)).toEqual(['a1', 'a2']);
  });

  it('ends after sequenceTimeoutMSec: what waits fails, what is computed is answered', async () => {
    const model = new StatefulModel({ lifetimeMs: 100 });
    const worker = model.addWorker('w');
    const running = model.submit('a', 'a1');
    const waiting = model.submit('a', 'a2');
    model.clock.advance(100);
    expect((await rejectionOf(waiting.next())).message).toContain('sequenceTimeoutMSec');
    model.answer(worker);
    expect((await running.next()).isLast).toBe(true);
    expect(model.queue.openSequences).toBe(0);
    expect(model.clock.pendingTimers).toBe(0);
  });

  it('is lost with its worker: what was computed fails, and so does what comes later, until a new one is begun', async () => {
    const model = new StatefulModel();
    const worker = model.addWorker('1');
    model.submit('a', 'a1');
    model.answer(worker);
    const running = model.submit('a', 'a2');
    const waiting = model.submit('a', 'a3');
    model.die(worker, [running], died);
    const other = model.addWorker('2');
    expect((await rejectionOf(running.next())).code).toBe('WORKER_DIED');
    expect((await rejectionOf(waiting.next())).message).toContain('the worker that held it has gone');
    expect(codeOf(() => model.submit('a', 'a4'))).toBe('SEQUENCE_CLOSED');
    model.submit('a', 'a5', { start: true });
    expect(batchesOf(other)).toEqual(['a5']);
  });

  it('goes to another worker as long as no handler has seen anything of it', () => {
    const model = new StatefulModel();
    const worker = model.addWorker('1');
    model.submit('a', 'a1');
    model.submit('a', 'a2');
    model.die(worker, [], died);
    const other = model.addWorker('2');
    model.answer(other);
    expect(batchesOf(other)).toEqual(['a1', 'a2']);
  });

  it('that a request was taken back of fails it when its worker had begun with the sequence', async () => {
    const model = new StatefulModel();
    const worker = model.addWorker('1');
    model.submit('a', 'a1');
    model.answer(worker);
    const held = model.submit('a', 'a2');
    model.die(worker, [], died);
    expect((await rejectionOf(held.next())).code).toBe('SEQUENCE_CLOSED');
    expect(model.scheduler).toMatchObject({ waiting: 0, running: 0 });
  });

  it('frees its place at once when its client leaves before a worker had it', () => {
    const model = new StatefulModel({ maxSequences: 1 });
    const job = model.submit('a', 'a1');
    job.abandon();
    expect(model.queue.openSequences).toBe(0);
  });

  it('goes on after a client that left while its request was computed, once the worker has let go of that', () => {
    const model = new StatefulModel();
    const worker = model.addWorker('w');
    const left = model.submit('a', 'a1');
    worker.start();
    left.abandon();
    model.submit('a', 'a2');
    expect(batchesOf(worker)).toEqual(['a1']);
    model.answer(worker);
    expect(batchesOf(worker)).toEqual(['a1', 'a2']);
  });
});

describe('a stateful model', () => {
  it('does not let a request join a batch that still has an earlier one of its sequence, be it cancelled', () => {
    const model = new StatefulModel();
    const worker = new JoinedWorker('w', 4);
    model.scheduler.addWorker(worker);
    const left = model.submit('a', 'a1');
    left.begin();
    left.abandon();
    model.submit('a', 'a2');
    model.submit('b', 'b1');
    expect(batchesOf(worker)).toEqual(['a1', 'b1']);
    worker.holding = worker.holding.filter((job) => job !== left);
    model.scheduler.pump();
    expect(batchesOf(worker)).toEqual(['a1', 'b1', 'a2']);
  });

  it('gives a description, which belongs to no sequence, to any worker, alone', () => {
    const model = new StatefulModel({ maxSequences: 1 });
    model.submit('a', 'a1');
    model.submit(undefined, 'd1', { kind: 'describe' });
    const worker = model.addWorker('w');
    model.answer(worker);
    model.answer(worker);
    expect(batchesOf(worker)).toEqual(['a1', 'd1']);
    expect(model.queue.openSequences).toBe(1);
  });

  it('lets predictions and explanations of different sequences not share a batch', () => {
    const model = new StatefulModel();
    model.submit('a', 'a1');
    model.submit('b', 'b1', { kind: 'explain' });
    model.submit('c', 'c1');
    const worker = model.addWorker('w');
    model.answer(worker);
    expect(batchesOf(worker)).toEqual(['a1 c1', 'b1']);
  });

  it('ends all that waits when the version stops', async () => {
    const model = new StatefulModel();
    const jobs = ['a1', 'a2', 'b1'].map((each) => model.submit(each.slice(0, 1), each));
    model.scheduler.failWaiting(() => new ServingError('MODEL_STOPPING', 'over'));
    for (const job of jobs) expect((await rejectionOf(job.next())).code).toBe('MODEL_STOPPING');
    expect(model.scheduler.waiting).toBe(0);
    expect(model.queue.openSequences).toBe(0);
  });
});
