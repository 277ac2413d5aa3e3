import { expect, test } from 'vitest';
import { BatchClaims } from '../../../src/runtime-node/batch-claims.ts';

test('a batch is claimed by one end only, whichever comes first', () => {
  const computing = new BatchClaims();
  const listening = new BatchClaims(computing.memory);
  expect(computing.claim(1n)).toBe(true);
  expect(listening.claim(1n)).toBe(false);
  expect(listening.claim(2n)).toBe(true);
  expect(computing.claim(2n)).toBe(false);
  expect(computing.claim(3n)).toBe(true);
});

test('both ends see what has been claimed', () => {
  const computing = new BatchClaims();
  const listening = new BatchClaims(computing.memory);
  computing.claim(1n);
  expect([1n, 2n].map((batch) => listening.isClaimed(batch))).toEqual([true, false]);
});
