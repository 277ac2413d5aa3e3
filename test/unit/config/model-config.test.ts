import { describe, expect, it } from 'vitest';
import { NO_MODEL_CONFIG, parseModelConfig } from '../../../src/config/model-config.ts';
import { NO_SERVING_KEYS } from '../../../src/config/serving-mode.ts';
import { NO_LIFETIME_KEYS } from '../../../src/config/worker-lifetime.ts';

describe('model-config.yaml', () => {
  it('is read with units, and kept whole for the handler', async () => {
    const parsed = await parseModelConfig(
      [
        'minWorkers: 1',
        'maxWorkers: 4',
        'batchSize: 8',
        'maxBatchDelay: 0',
        'responseTimeout: 30',
        'startupTimeout: 60',
        'deviceType: GPU',
        'deviceIds: [0, 2]',
        'maxRetryTimeoutInSec: 10',
        'clientTimeoutInMills: 500',
        'jobQueueSize: 20',
        'retryOnWorkerDeath: true',
        'handler: {mine: [1, 2]}',
      ].join('\n'),
      'refuse',
    );
    expect(parsed.config).toEqual({
      minWorkers: 1,
      maxWorkers: 4,
      batchSize: 8,
      maxBatchDelayMs: 0,
      responseTimeoutSec: 30,
      startupTimeoutSec: 60,
      deviceType: 'gpu',
      deviceIds: [0, 2],
      maxRetryTimeoutSec: 10,
      clientTimeoutMs: 500,
      jobQueueSize: 20,
      retryOnWorkerDeath: true,
      warmup: [],
      serving: NO_SERVING_KEYS,
      lifetime: NO_LIFETIME_KEYS,
    });
    expect(parsed.record).toMatchObject({ batchSize: 8, handler: { mine: [1, 2] } });
    expect(parsed.notices).toEqual([]);
  });

  it.each(['', '# nothing yet', '{}'])('says nothing when it is %j', async (text) => {
    expect((await parseModelConfig(text, 'refuse')).config).toEqual(NO_MODEL_CONFIG.config);
  });

  const wrong: [string, string][] = [
    ['batchSize: four', 'batchSize: expected a whole number of at least 1, found "four"'],
    ['batchSize: "4"', 'batchSize: expected a whole number of at least 1, found "4"'],
    ['batchSize: 1.5', 'batchSize: expected a whole number of at least 1, found 1.5'],
    ['batchSize:', 'batchSize: expected a whole number of at least 1, found nothing'],
    ['batchSize: yes', 'batchSize: expected a whole number of at least 1, found true'],
    ['batchSize: [1]', 'batchSize: expected a whole number of at least 1, found [1]'],
    ['batchSize: .nan', 'batchSize: expected a whole number of at least 1, found "NaN"'],
    ['maxBatchDelay: -1', 'maxBatchDelay: expected a whole number of at least 0, found -1'],
    ['responseTimeout: 0', 'responseTimeout: expected a whole number of at least 1, found 0'],
    ['responseTimeout: 9999999', 'responseTimeout: expected a whole number of at most 2147483, found 9999999'],
    ['deviceType: tpu', 'deviceType: expected cpu or gpu, found "tpu"'],
    ['deviceIds: 0', 'deviceIds: expected a list of whole numbers of at least 0, found 0'],
    ['deviceIds: [0, -1]', 'deviceIds: expected a list of whole numbers of at least 0, found [0,-1]'],
    ['minWorkers: 3\nmaxWorkers: 2', 'maxWorkers: expected at least minWorkers, which is 3, found 2'],
  ];

  it.each(wrong)('is refused when strict: %j', async (text, problem) => {
    await expect(parseModelConfig(text, 'refuse')).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: `model-config.yaml: ${problem}`,
      details: { parameter: problem.slice(0, problem.indexOf(':')) },
    });
  });

  it.each(wrong)('is told and left at the default when lenient: %j', async (text, problem) => {
    const parsed = await parseModelConfig(text, 'ignore');
    expect(parsed.config).toEqual(NO_MODEL_CONFIG.config);
    expect(parsed.notices).toEqual([`model-config.yaml: ${problem}; the value is not used as it stands`]);
  });

  it('takes one for less than one where TorchServe does, when lenient', async () => {
    const { config, notices } = await parseModelConfig('batchSize: 0\nminWorkers: -3\nmaxWorkers: 2', 'ignore');
    expect(config).toMatchObject({ batchSize: 1, minWorkers: 0, maxWorkers: 2 });
    expect(notices).toHaveLength(2);
  });

  it.each(['refuse', 'ignore'] as const)(
    'is refused when it is no map of keys, or no YAML (%s)',
    async (wrongValues) => {
      await expect(parseModelConfig('- 1', wrongValues)).rejects.toMatchObject({
        code: 'MANIFEST_INVALID',
        message: 'model-config.yaml: expected keys and values, found [1]',
      });
      await expect(parseModelConfig('a: [', wrongValues)).rejects.toMatchObject({
        code: 'MANIFEST_INVALID',
        message: expect.stringMatching(/^model-config\.yaml: line 1, column /),
      });
    },
  );

  it('reads how batches are made, in any letter case', async () => {
    expect((await parseModelConfig('batching: Fixed', 'refuse')).config.batching).toBe('fixed');
    await expect(parseModelConfig('batching: eager', 'refuse')).rejects.toMatchObject({
      message: 'model-config.yaml: batching: expected adaptive or fixed, found "eager"',
    });
    expect((await parseModelConfig('batching: eager', 'ignore')).config.batching).toBeUndefined();
  });

  it.each([
    ['parallelType: tp', 'parallelType'],
    ['parallelType: custom\nparallelLevel: 1', 'parallelType'],
    ['parallelLevel: 2', 'parallelLevel'],
    ['torchrun:\n  nproc-per-node: 1', 'torchrun'],
  ])('refuses a model of several processes, naming the key (%j)', async (text, key) => {
    await expect(parseModelConfig(text, 'refuse')).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: expect.stringMatching(
        new RegExp(`^model-config\\.yaml: ${key}.*one process.*Remove the keys if the model also runs in one process`),
      ),
      details: { parameter: key },
    });
  });

  it.each([
    'parallelType: pp\nparallelLevel: 4',
    'torchrun: {nproc-per-node: 2}',
    'parallelType: TP\ntorchrun: {nproc-per-node: 2}',
  ])('refuses one that needs them also where wrong values are ignored (%j)', async (text) => {
    await expect(parseModelConfig(text, 'ignore')).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  it.each(['parallelType: tp', 'parallelType: custom\nparallelLevel: 1', 'torchrun: {nproc-per-node: 1}'])(
    'tells of one that needs a single process, where wrong values are ignored (%j)',
    async (text) => {
      const { notices } = await parseModelConfig(text, 'ignore');
      expect(notices).toEqual([expect.stringContaining('the model is served in one process')]);
    },
  );

  it.each(['refuse', 'ignore'] as const)('says nothing of a level that means one process (%s)', async (wrongValues) => {
    const { notices } = await parseModelConfig('parallelLevel: 1', wrongValues);
    expect(notices).toEqual([]);
  });

  it('asks about a key of the handler that looks like one of the server', async () => {
    const { notices } = await parseModelConfig('batchsize: 4\nthreshold: 0.5', 'refuse');
    expect(notices).toEqual(['model-config.yaml: "batchsize" is left to the handler; did you mean "batchSize"?']);
  });
});
