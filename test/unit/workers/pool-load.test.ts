import { describe, expect, it } from 'vitest';
import { poolLoad } from '../../../src/workers/pool-load.ts';

/** A worker as the load is read from it, with jobs that it has finished since it was asked last. */
function member(id: string, isReady: boolean, { fill = 0, room = 0, finished = 0 } = {}) {
  return {
    isReady,
    isFailing: false,
    worker: { id },
    fill: () => fill,
    room: () => room,
    newlyFinished: () => finished,
  };
}

describe('the load of a pool', () => {
  it('counts the work of the workers that are ready', () => {
    const members = [
      member('1', true, { fill: 1, finished: 3 }),
      member('2', true, { fill: 0.5, room: 2, finished: 4 }),
    ];
    expect(poolLoad(members, { minWorkers: 1, maxWorkers: 4 }, 5)).toEqual({
      minWorkers: 1,
      maxWorkers: 4,
      workers: 2,
      ready: 2,
      failing: undefined,
      busy: 1.5,
      hasRoom: true,
      waiting: 5,
      finished: 7,
    });
  });

  it('leaves out what a worker that is not ready yet has computed to warm up', () => {
    const members = [member('1', true, { fill: 1, finished: 3 }), member('2', false, { fill: 1, finished: 100 })];
    expect(poolLoad(members, { minWorkers: 1, maxWorkers: 4 }, 5)).toMatchObject({
      workers: 2,
      ready: 1,
      busy: 1,
      hasRoom: false,
      finished: 3,
    });
  });
});
