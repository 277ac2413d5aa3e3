import { describe, expect, it } from 'vitest';
import { parseLoadModels } from '../../../src/config/load-models-setting.ts';
import { parseModelsSetting } from '../../../src/config/models-setting.ts';

describe('load_models', () => {
  it.each([
    ['all', 'all'],
    ['ALL', 'all'],
    ['', []],
    ['a.mar', [{ url: 'a.mar' }]],
    ['a.mar, b=c.mar ,, ', [{ url: 'a.mar' }, { name: 'b', url: 'c.mar' }]],
    ['https://host/a.mar?x=1', [{ url: 'https://host/a.mar?x=1' }]],
    ['pets=https://host/a.mar?x=1', [{ name: 'pets', url: 'https://host/a.mar?x=1' }]],
  ])('reads "%s"', (text, models) => {
    expect(parseLoadModels(text)).toEqual(models);
  });

  it('refuses a name that no model can have', () => {
    expect(() => parseLoadModels('my model=a.mar')).toThrow('"my model" cannot be a model name');
  });

  it('refuses a name without an archive', () => {
    expect(() => parseLoadModels('pets=')).toThrow('write name=archive.mar');
  });
});

describe('models', () => {
  it('is read by model and version, with units', () => {
    const { models, notices } = parseModelsSetting(
      JSON.stringify({
        noop: {
          '1.0': {
            minWorkers: 1,
            maxWorkers: 4,
            batchSize: 8,
            maxBatchDelay: 0,
            responseTimeout: 30,
            startupTimeout: 60,
            runtimeType: 'PYTHON3',
          },
        },
      }),
    );
    expect(notices).toEqual([]);
    expect(models.get('noop')?.get('1.0')).toEqual({
      minWorkers: 1,
      maxWorkers: 4,
      batchSize: 8,
      maxBatchDelayMs: 0,
      responseTimeoutSec: 30,
      startupTimeoutSec: 60,
      runtime: 'python',
    });
  });

  it('may be empty', () => {
    expect(parseModelsSetting('').models.size).toBe(0);
    expect(parseModelsSetting('{}').models.size).toBe(0);
  });

  it('tells about entries without effect', () => {
    const { models, notices } = parseModelsSetting(
      '{"noop": {"1.0": {"batchsize": 4, "marName": "noop.mar", "responseTimeout": 0, "minWorkers": -1}}}',
    );
    expect(models.get('noop')?.get('1.0')).toMatchObject({ responseTimeoutSec: undefined, minWorkers: undefined });
    expect(notices).toEqual([
      'models: noop 1.0: "batchsize" is unknown and has no effect; did you mean "batchSize"?',
      'models: noop 1.0: "marName" counts only in a snapshot and has no effect here',
      'models: noop 1.0: minWorkers -1 has no effect; the smallest value that has is 0',
      'models: noop 1.0: responseTimeout 0 has no effect; the smallest value that has is 1',
    ]);
  });

  it.each([
    ['{', 'expected a JSON object {"model"'],
    ['[]', 'models: expected a JSON object, found []'],
    ['{"noop": 1}', 'noop: expected a JSON object, found 1'],
    ['{"noop": {"1.0": null}}', 'noop 1.0: expected a JSON object, found null'],
    ['{"noop": {"1.0": {"batchSize": "4"}}}', 'noop 1.0: batchSize: expected a whole number, found "4"'],
    ['{"noop": {"1.0": {"batchSize": 1.5}}}', 'noop 1.0: batchSize: expected a whole number, found 1.5'],
    ['{"noop": {"1.0": {"responseTimeout": 99999999}}}', 'responseTimeout: expected at most 2147483, found 99999999'],
    ['{"noop": {"1.0": {"runtimeType": "LSP"}}}', 'noop 1.0: runtimeType: expected one of python, python3, node, onnx'],
    ['{"noop": {"1.0": {"minWorkers": 3, "maxWorkers": 2}}}', 'noop 1.0: minWorkers 3 is more than maxWorkers 2'],
  ])('refuses %s', (text, problem) => {
    expect(() => parseModelsSetting(text)).toThrow(problem);
  });

  it('keeps __proto__ an ordinary name', () => {
    const { models } = parseModelsSetting('{"__proto__": {"1.0": {"batchSize": 4}}}');
    expect(models.get('__proto__')?.get('1.0')?.batchSize).toBe(4);
    expect(Object.hasOwn(Object.prototype, '1.0')).toBe(false);
  });
});
