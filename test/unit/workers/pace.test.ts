import { expect, it } from 'vitest';
import { Pace } from '../../../src/workers/pace.ts';

it('trusts no handler of which it knows nothing', () => {
  expect(new Pace().isWithin(5, 1)).toBe(false);
});

it('allows a quick handler as many batches as are over in a moment', () => {
  const pace = new Pace();
  pace.took(1.25);
  expect([1, 4, 5].map((batches) => pace.isWithin(5, batches))).toEqual([true, true, false]);
});

it('allows a slow handler none', () => {
  const pace = new Pace();
  pace.took(5.5);
  expect(pace.isWithin(5, 1)).toBe(false);
});

it('counts no time at all as quick', () => {
  const pace = new Pace();
  pace.took(0);
  expect(pace.isWithin(5, 1000)).toBe(true);
});

it('takes a while to trust a handler again after a slow batch', () => {
  const pace = new Pace();
  pace.took(0.5);
  pace.took(250);
  let quickBatches = 0;
  while (!pace.isWithin(5, 1)) {
    pace.took(0.5);
    quickBatches += 1;
  }
  expect(quickBatches).toBeGreaterThan(20);
  expect(quickBatches).toBeLessThan(60);
});
