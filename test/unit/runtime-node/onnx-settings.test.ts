import { describe, expect, test } from 'vitest';
import { onnxSettings, sessionOptions } from '../../../src/runtime-node/onnx-settings.ts';

const read = (onnx: object | undefined, absent?: Parameters<typeof onnxSettings>[1]) =>
  onnxSettings({ modelConfig: onnx === undefined ? null : { onnx }, threads: 3 }, absent);

describe('the onnx section', () => {
  test('that is absent means the CPU with the threads of the worker', () => {
    expect(sessionOptions(read(undefined), null)).toEqual({
      executionProviders: ['cpu'],
      intraOpNumThreads: 3,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
    });
  });

  test('reaches the runtime with all that it sets', () => {
    const section = {
      executionProviders: ['cuda', 'cpu'],
      intraOpThreads: 5,
      interOpThreads: 2,
      graphOptimizationLevel: 'basic',
    };
    expect(sessionOptions(read(section), 1)).toEqual({
      executionProviders: [{ name: 'cuda', deviceId: 1 }, 'cpu'],
      intraOpNumThreads: 5,
      interOpNumThreads: 2,
      executionMode: 'parallel',
      graphOptimizationLevel: 'basic',
    });
  });

  test('that names no providers leaves them to the caller', () => {
    expect(read({}, ['cuda', 'cpu']).executionProviders).toEqual(['cuda', 'cpu']);
    expect(read({ executionProviders: 'cpu' }, ['cuda', 'cpu']).executionProviders).toEqual(['cpu']);
  });
});
