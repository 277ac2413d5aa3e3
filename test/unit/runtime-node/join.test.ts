import fc from 'fast-check';
import { expect, test } from 'vitest';
import { joinTensors, splitTensor } from '../../../src/runtime-node/join.ts';
import { elementCount, type Tensor } from '../../../src/runtime-node/tensor.ts';

const tensorOf = (shape: readonly number[], from: number): Tensor => ({
  datatype: 'FP32',
  shape,
  data: Float32Array.from({ length: elementCount(shape) }, (_, index) => from + index),
});

test('rows along the first axis stand behind each other', () => {
  const joined = joinTensors([tensorOf([1, 2], 0), tensorOf([2, 2], 10)], 0);
  expect(joined).toEqual({ datatype: 'FP32', shape: [3, 2], data: Float32Array.of(0, 1, 10, 11, 12, 13) });
});

test('rows that lie behind each other already are joined without a copy', () => {
  const memory = Float32Array.from({ length: 9 }, (_, index) => index);
  const [first, second, third] = [[2, 4] as const, [4, 6] as const, [7, 9] as const].map(
    ([from, to]): Tensor => ({ datatype: 'FP32', shape: [1, 2], data: memory.subarray(from, to) }),
  );
  if (first === undefined || second === undefined || third === undefined) throw new Error('no tensors');
  const joined = joinTensors([first, second], 0);
  expect(joined).toEqual({ datatype: 'FP32', shape: [2, 2], data: Float32Array.of(2, 3, 4, 5) });
  expect((joined.data as Float32Array).buffer).toBe(memory.buffer);
  const apart = joinTensors([first, third], 0);
  expect(apart.data).toEqual(Float32Array.of(2, 3, 7, 8));
  const turned = joinTensors([second, first], 0);
  expect(turned.data).toEqual(Float32Array.of(4, 5, 2, 3));
  const columns = joinTensors(
    [
      { ...first, shape: [2, 1] },
      { ...second, shape: [2, 1] },
    ],
    1,
  );
  expect(columns.data).toEqual(Float32Array.of(2, 4, 3, 5));
});

test('rows along an inner axis are interleaved block by block', () => {
  const joined = joinTensors([tensorOf([2, 1, 2], 0), tensorOf([2, 2, 2], 10)], 1);
  expect(joined.shape).toEqual([2, 3, 2]);
  expect([...joined.data]).toEqual([0, 1, 10, 11, 12, 13, 2, 3, 14, 15, 16, 17]);
});

test('texts are joined and split like numbers', () => {
  const text = (data: string[]): Tensor => ({ datatype: 'BYTES', shape: [data.length], data });
  const joined = joinTensors([text(['a']), text(['b', 'c'])], 0);
  expect(joined.data).toEqual(['a', 'b', 'c']);
  expect(splitTensor(joined, 0, [1, 2]).map(({ data }) => data)).toEqual([['a'], ['b', 'c']]);
});

test('what was joined along any axis is split into what it was', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 0, max: 2 }),
      (rowCounts, axis) => {
        const tensors = rowCounts.map((rows, index) => tensorOf([2, 3, 2].with(axis, rows), index * 1000));
        const [first, ...others] = tensors;
        if (first === undefined) return;
        const parts = splitTensor(joinTensors([first, ...others], axis), axis, rowCounts);
        expect(parts).toEqual(tensors);
      },
    ),
  );
});
