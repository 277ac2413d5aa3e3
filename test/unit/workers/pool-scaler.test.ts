import { expect, it } from 'vitest';
import type { PoolLoad } from '../../../src/core/scale-policy.ts';
import { PoolScaler } from '../../../src/workers/pool-scaler.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const idle: PoolLoad = {
  minWorkers: 1,
  maxWorkers: 4,
  workers: 1,
  ready: 1,
  failing: undefined,
  busy: 0,
  hasRoom: true,
  waiting: 0,
  finished: 0,
};
const flooded: PoolLoad = { ...idle, busy: 1, hasRoom: false, waiting: 50, finished: 2 };

function scalerOf(clock: FakeClock, load: () => PoolLoad) {
  const resized: number[] = [];
  const limits = { targetQueueMs: 200, isRefusedWhenBusy: false };
  const scaler = new PoolScaler({ clock, limits, load, resize: (workers) => resized.push(workers) });
  return { scaler, resized };
}

/** Looks are taken between timers, in microtasks. */
async function advance(clock: FakeClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    clock.advance(100);
    await Promise.resolve();
    await Promise.resolve();
  }
}

it('looks at the load several times a second, and has the number changed that the policy asks for', async () => {
  const clock = new FakeClock();
  let load = idle;
  const { scaler, resized } = scalerOf(clock, () => load);
  scaler.start();
  expect(scaler.report()).toBeUndefined();
  await advance(clock, 1_000);
  expect(scaler.report()).toEqual({ reason: 'the requests in hand fill 0.0 of 1 worker', lastChange: undefined });
  load = flooded;
  await advance(clock, 900);
  expect(resized).toEqual([2]);
  expect(scaler.report()).toMatchObject({
    lastChange: { from: 1, to: 2, reason: expect.stringMatching(/target of 200 ms/) },
  });
});

it('forgets what it has seen when somebody changes the bounds', async () => {
  const clock = new FakeClock();
  const { scaler, resized } = scalerOf(clock, () => ({ ...idle, workers: 3, ready: 3 }));
  scaler.start();
  await advance(clock, 50_000);
  scaler.start();
  await advance(clock, 50_000);
  expect(resized).toEqual([]);
  await advance(clock, 11_000);
  expect(resized.at(0)).toBe(1);
});

it('does nothing any more once it is stopped', async () => {
  const clock = new FakeClock();
  const { scaler, resized } = scalerOf(clock, () => flooded);
  scaler.start();
  await advance(clock, 400);
  scaler.stop();
  await advance(clock, 5_000);
  expect(resized).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
  expect(scaler.report()).toBeUndefined();
});

it('leaves a version without workers alone', async () => {
  const clock = new FakeClock();
  const { scaler, resized } = scalerOf(clock, () => ({ ...flooded, workers: 0, ready: 0 }));
  scaler.start();
  await advance(clock, 5_000);
  expect(resized).toEqual([]);
});
