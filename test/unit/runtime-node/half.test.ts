import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bfloatFromNumber,
  halfFromNumber,
  numberFromBfloat,
  numberFromHalf,
  roundHalfEven,
} from '../../../src/runtime-node/half.ts';

const ALL_BITS = Array.from({ length: 0x10000 }, (_, bits) => bits);

describe('half precision', () => {
  test('every one of its bit patterns survives the way to a number and back', () => {
    const lost = ALL_BITS.filter((bits) => {
      const value = numberFromHalf(bits);
      const isNan = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
      return isNan ? !Number.isNaN(value) : halfFromNumber(value) !== bits;
    });
    expect(lost).toEqual([]);
  });

  test('takes the nearest of its values, and the even one of two that are as near', () => {
    expect(numberFromHalf(halfFromNumber(0.1))).toBe(0.0999755859375);
    expect(halfFromNumber(1 + 1 / 2048)).toBe(halfFromNumber(1));
    expect(halfFromNumber(1 + 3 / 2048)).toBe(halfFromNumber(1 + 2 / 1024));
    expect(numberFromHalf(halfFromNumber(65519))).toBe(65504);
    expect(numberFromHalf(halfFromNumber(65520))).toBe(Infinity);
    expect(numberFromHalf(halfFromNumber(2 ** -25))).toBe(0);
    expect(numberFromHalf(halfFromNumber(2 ** -14 - 2 ** -26))).toBe(2 ** -14);
    expect(Object.is(numberFromHalf(halfFromNumber(-0)), -0)).toBe(true);
    expect(halfFromNumber(Number.NaN)).toBe(0x7e00);
  });

  test('is never further away than half a step', () => {
    fc.assert(
      fc.property(fc.double({ min: -65504, max: 65504, noNaN: true }), (value) => {
        const near = numberFromHalf(halfFromNumber(value));
        expect(Math.abs(near - value)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(value) * 2 ** -11));
      }),
    );
  });
});

describe('bfloat16', () => {
  test('every one of its bit patterns but NaN survives the way to a number and back', () => {
    const lost = ALL_BITS.filter((bits) => {
      const value = numberFromBfloat(bits);
      return !Number.isNaN(value) && bfloatFromNumber(value) !== bits;
    });
    expect(lost).toEqual([]);
    expect(bfloatFromNumber(Number.NaN)).toBe(0x7fc0);
    expect(numberFromBfloat(bfloatFromNumber(1 + 2 ** -8))).toBe(1);
    expect(numberFromBfloat(bfloatFromNumber(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
  });
});

test('halves are rounded to the even neighbour', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfEven)).toEqual([0, 2, 2, 0, -2, 2, 3]);
});
