import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Job, type JobKeeper, type JobKind } from '../../../src/core/job.ts';
import { JobQueue } from '../../../src/core/job-queue.ts';
import { jobRequest } from '../../support/jobs.ts';

const nobody: JobKeeper = { abandoned: () => {}, taken: () => {}, begun: () => {}, ended: () => {} };
const byAge = (a: Job, b: Job) => a.id - b.id;
const kinds: readonly JobKind[] = ['predict', 'explain', 'describe'];

function job(id: number, kind: JobKind = 'predict'): Job {
  return new Job(id, jobRequest({ kind }), 0, Infinity, nobody);
}

function queueOf(...jobs: readonly Job[]): JobQueue {
  const queue = new JobQueue(100);
  for (const one of jobs) queue.push(one);
  return queue;
}

describe('the job queue', () => {
  it('gives jobs out in the order they came', () => {
    const jobs = [job(1), job(2), job(3)];
    const queue = queueOf(...jobs);
    expect(queue.take(2)).toEqual(jobs.slice(0, 2));
    expect(queue.take(5)).toEqual(jobs.slice(2));
    expect(queue.length).toBe(0);
  });

  it.each([0, 1, 2])('lets the job at place %i leave', (place) => {
    const jobs = [job(1), job(2), job(3)];
    const queue = queueOf(...jobs);
    const [leaving] = jobs.splice(place, 1);
    if (leaving !== undefined) queue.remove(leaving);
    expect(queue.take(3)).toEqual(jobs);
  });

  it('puts returning jobs where their age says, even when it is full', () => {
    const queue = new JobQueue(1);
    const [one, two, three, four, five] = [job(1), job(2), job(3), job(4), job(5)];
    queue.push(three);
    queue.putBack([five, two]);
    queue.putBack([one, four]);
    expect(queue.length).toBe(5);
    expect(queue.take(5)).toEqual([one, two, three, four, five]);
  });

  it('counts the jobs of one kind at its head', () => {
    expect(queueOf(job(1), job(2), job(3)).run(2)).toMatchObject({ length: 2, isClosed: false });
    expect(queueOf(job(1), job(2)).run(9)).toMatchObject({ length: 2, isClosed: false });
    expect(queueOf(job(1), job(2), job(3, 'explain')).run(9)).toMatchObject({ length: 2, isClosed: true });
    expect(queueOf(job(1), job(2), job(3, 'explain')).run(2)).toMatchObject({ length: 2, isClosed: false });
    expect(queueOf().run(9)).toMatchObject({ length: 0, isClosed: false });
  });

  it('sends a describe alone', () => {
    expect(queueOf(job(1, 'describe'), job(2, 'describe')).run(9)).toMatchObject({ length: 1, isClosed: true });
  });

  it('agrees with a plain list, whatever is done to it', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('push' as const), kind: fc.constantFrom(...kinds) }),
      fc.record({ op: fc.constant('remove' as const), at: fc.nat(20) }),
      fc.record({ op: fc.constant('take' as const), count: fc.nat(4) }),
      fc.record({ op: fc.constant('return' as const), which: fc.array(fc.nat(20), { maxLength: 4 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new JobQueue(10);
        let list: Job[] = [];
        let given: Job[] = [];
        let lastId = 0;
        const make = (kind: JobKind) => job(++lastId, kind);
        for (const step of steps) {
          if (step.op === 'push') {
            const added = make(step.kind);
            queue.push(added);
            list.push(added);
          } else if (step.op === 'remove') {
            const leaving = list[step.at];
            if (leaving === undefined) continue;
            queue.remove(leaving);
            list = list.filter((one) => one !== leaving);
          } else if (step.op === 'take') {
            const taken = list.splice(0, step.count);
            expect(queue.take(step.count)).toEqual(taken);
            given.push(...taken);
          } else {
            const returning = given.filter((_, index) => step.which.includes(index)).toReversed();
            queue.putBack(returning);
            given = given.filter((one) => !returning.includes(one));
            list = [...list, ...returning].toSorted(byAge);
          }
          const { length, isClosed, oldestArrivedAt } = queue.run(5);
          const [head] = list;
          const sameKind = list.findIndex((one) => one.request.kind !== head?.request.kind);
          const inRun = sameKind < 0 ? list.length : sameKind;
          const isAlone = head?.request.kind === 'describe';
          expect(queue.length).toBe(list.length);
          expect(oldestArrivedAt).toBe(head === undefined ? 0 : head.arrivedAt);
          expect(length).toBe(isAlone ? 1 : Math.min(5, inRun));
          expect(isClosed).toBe(isAlone || (sameKind >= 0 && sameKind < 5));
        }
        expect(queue.take(1000)).toEqual(list);
      }),
      { numRuns: 200 },
    );
  });
});
