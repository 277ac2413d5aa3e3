import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../../src/core/byte-budget.ts';

const LIMIT = 1_000;

const step = fc.record({
  owner: fc.constantFrom('', 'a', 'b', 'c'),
  bytes: fc.integer({ min: 0, max: LIMIT + 1 }),
  /** Of what was reserved before, the one to release instead; past the end: none. */
  releases: fc.nat(30),
});

describe('a budget of bytes', () => {
  it('is never exceeded, leaves as much free as its greediest owner gets, and returns to zero', () => {
    const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const budget = new ByteBudget(LIMIT);
      const held: { owner: string; bytes: number }[] = [];
      for (const { owner, bytes, releases } of steps) {
        const [former] = held.splice(releases, 1);
        if (former !== undefined) budget.release(former.owner, former.bytes);
        else {
          const hasRoom = budget.hasRoom(owner, bytes);
          const before = [budget.usedBytes, budget.usedBy(owner)];
          expect(budget.reserve(owner, bytes)).toBe(hasRoom);
          if (hasRoom) held.push({ owner, bytes });
          else expect([budget.usedBytes, budget.usedBy(owner)]).toEqual(before);
          if (hasRoom) expect(budget.usedBy(owner)).toBeLessThanOrEqual(LIMIT - budget.usedBytes);
        }
        expect(budget.usedBytes).toBe(held.reduce((sum, each) => sum + each.bytes, 0));
        expect(budget.usedBytes).toBeLessThanOrEqual(LIMIT);
      }
      for (const each of held) budget.release(each.owner, each.bytes);
      expect([budget.usedBytes, ...['', 'a', 'b', 'c'].map((owner) => budget.usedBy(owner))]).toEqual([0, 0, 0, 0, 0]);
    });
    fc.assert(property, { numRuns: 500 });
  });

  it('has room for a quarter of it from anybody, while one owner takes all that it can get', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: LIMIT }), { maxLength: 100 }), (flood) => {
        const budget = new ByteBudget(LIMIT);
        for (const bytes of [...flood, ...Array.from({ length: LIMIT }, () => 1)]) budget.reserve('greedy', bytes);
        expect(budget.usedBy('greedy')).toBe(LIMIT / 2);
        expect(budget.reserve('other', LIMIT / 4)).toBe(true);
        expect(budget.reserve('greedy', 1)).toBe(false);
      }),
    );
  });

  it('gives everybody the same when several take all that they can get', () => {
    const budget = new ByteBudget(LIMIT);
    for (let round = 0; round < LIMIT; round += 1) for (const owner of ['a', 'b', 'c']) budget.reserve(owner, 1);
    expect(['a', 'b', 'c'].map((owner) => budget.usedBy(owner))).toEqual([250, 250, 250]);
  });
});
