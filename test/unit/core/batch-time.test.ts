import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchTimes, timeForJobsMs } from '../../../src/core/batch-time.ts';

/** Batches of 1, 2, … up to `largest` jobs in turn. */
function learned(count: number, tookMs: (size: number, turn: number) => number, largest = 8): BatchTimes {
  const times = new BatchTimes();
  for (let turn = 0; turn < count; turn += 1) {
    const size = 1 + (turn % largest);
    times.took(size, tookMs(size, turn));
  }
  return times;
}

describe('the time of many jobs', () => {
  it('is that of as many batches as they fill, one after the other or side by side', () => {
    const time = { baseMs: 8, perJobMs: 1 };
    expect([0, 1, 4, 5, 8, 9].map((jobs) => timeForJobsMs(time, jobs, 4, 1))).toEqual([0, 9, 12, 24, 24, 36]);
    expect([1, 4, 8, 9].map((jobs) => timeForJobsMs(time, jobs, 4, 2))).toEqual([9, 12, 12, 24]);
  });
});

describe('what batches cost', () => {
  it('is unknown until there were some, after the first slow ones', () => {
    expect(learned(10, (size) => 8 + size).fit()).toBeUndefined();
    expect(learned(11, (size) => 8 + size).fit()).toEqual({ baseMs: 8, perJobMs: 1 });
  });

  it('is unknown while all have one size', () => {
    expect(learned(50, () => 9, 1).fit()).toBeUndefined();
  });

  it('follows a model that changes', () => {
    const times = learned(100, (size) => 8 + size);
    for (let turn = 0; turn < 100; turn += 1) times.took(1 + (turn % 8), 1 + 18 * (1 + (turn % 8)));
    expect(times.fit()).toEqual({ baseMs: 1, perJobMs: 18 });
  });

  it('is never negative', () => {
    expect(learned(50, (size) => 100 - size).fit()).toEqual({ baseMs: expect.any(Number), perJobMs: 0 });
  });

  it('is not moved much by a few batches that were held up, nor by noise', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.5, max: 50, noNaN: true }),
        fc.double({ min: 0.05, max: 20, noNaN: true }),
        fc.array(fc.record({ isHeldUp: fc.nat(9), noise: fc.double({ min: 0, max: 0.02, noNaN: true }) }), {
          minLength: 67,
          maxLength: 67,
        }),
        (baseMs, perJobMs, batches) => {
          const times = learned(batches.length, (size, turn) => {
            const { isHeldUp, noise } = batches[turn] ?? { isHeldUp: 1, noise: 0 };
            return (baseMs + perJobMs * size) * (1 + noise) + (isHeldUp === 0 ? 500 : 0);
          });
          const heldUp = batches.filter(({ isHeldUp }) => isHeldUp === 0).length;
          const fit = times.fit();
          if (fit === undefined) throw new Error('nothing was learned');
          if (heldUp > 10) return;
          for (const size of [1, 4, 8]) {
            const real = baseMs + perJobMs * size;
            const said = fit.baseMs + fit.perJobMs * size;
            expect(Math.abs(said - real) / real).toBeLessThan(0.1);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
