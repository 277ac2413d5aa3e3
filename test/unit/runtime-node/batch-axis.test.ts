import { describe, expect, test } from 'vitest';
import { findBatchAxes } from '../../../src/runtime-node/batch-axis.ts';

type Dimensions = readonly (number | string)[];

const find = (
  inputs: readonly Dimensions[],
  outputs: readonly Dimensions[],
  setting: number | 'none' | 'auto' = 'auto',
) => {
  const named = (shapes: readonly Dimensions[]) =>
    shapes.map((dimensions, index) => ({ name: `t${index}`, dimensions }));
  return findBatchAxes(named(inputs), named(outputs), setting);
};

describe('the batch axis', () => {
  test('is the dimension that is named so in every tensor, wherever it stands', () => {
    expect(
      find(
        [
          ['batch', 'seq', 8],
          [1, 'batch', 16],
        ],
        [
          ['batch', 'seq', 16],
          [1, 'batch', 16],
        ],
      ),
    ).toEqual({
      inputs: [0, 1],
      outputs: [0, 1],
      isJoinable: true,
      reason: '',
    });
    expect(find([['seq', 'N', 4]], [['seq', 'N', 2]]).inputs).toEqual([1]);
  });

  test('is the first dimension when all tensors share its name, or none has one', () => {
    expect(find([['s0', 4]], [['s0', 2]]).isJoinable).toBe(true);
    expect(find([['', 4]], [[''], ['', 3]]).isJoinable).toBe(true);
  });

  test.each<[string, Dimensions[], Dimensions[]]>([
    ['a sequence', [['seq_len', 4]], [['seq_len', 4]]],
    ['names that differ', [['x_dynamic_axes_1', 4]], [['y_dynamic_axes_1', 2]]],
    ['an output without it', [['batch', 4]], [['detections', 6]]],
    ['a dimension that occurs twice', [['batch', 'batch']], [['batch', 'batch']]],
    ['fixed shapes', [[1, 4]], [[1, 2]]],
  ])('is not guessed from %s', (_, inputs, outputs) => {
    const axes = find(inputs, outputs);
    expect(axes.isJoinable).toBe(false);
    expect(axes.reason).not.toBe('');
  });

  test('is what onnx.batchAxis says, as far as every tensor varies there', () => {
    expect(find([['x1', 4]], [['y1', 2]], 0)).toMatchObject({ inputs: [0], outputs: [0], isJoinable: true });
    expect(find([['x1', 4]], [[1, 2]], 0)).toMatchObject({ isJoinable: false });
    expect(find([['batch', 4]], [['batch', 2]], 'none')).toMatchObject({ isJoinable: false });
  });

  test('lets one sample come without it even where requests are not joined', () => {
    expect(find([[1, 4]], [[1, 2]]).inputs).toEqual([0]);
    expect(find([['seq', 4]], [['seq', 2]]).inputs).toEqual([undefined]);
  });
});
