// Whose word counts, as a table: for each setting and dialect the sources from the strongest to the weakest. Every source in turn is the
// strongest that speaks, and those that are weaker all contradict it.
import { describe, expect, it } from 'vitest';
import { DIALECTS, type DialectName } from '../../../src/config/dialect.ts';
import { compileModelSpec } from '../../../src/config/model-spec-compiler.ts';
import { parseModelsSetting } from '../../../src/config/models-setting.ts';
import type { RegisterParameters } from '../../../src/config/register-parameters.ts';
import type { ModelSpec } from '../../../src/core/model-spec.ts';
import { SEQUENCE_HEADERS } from '../../../src/core/sequence-headers.ts';

type Source = 'request' | 'yaml' | 'models' | 'manifest' | 'server' | 'built-in';
type Setting =
  | 'batchSize'
  | 'maxBatchDelay'
  | 'responseTimeout'
  | 'startupTimeout'
  | 'workers'
  | 'maxSurge'
  | 'runtime'
  | 'queue'
  | 'handler';

/** What each source says, and so what the setting is when it wins. */
const VALUES: Readonly<Record<Exclude<Setting, 'runtime' | 'handler'>, Readonly<Partial<Record<Source, number>>>>> = {
  batchSize: { request: 2, yaml: 3, models: 4, 'built-in': 1 },
  maxBatchDelay: { request: 2, yaml: 3, models: 4, 'built-in': 100 },
  responseTimeout: { request: 2, yaml: 3, models: 4, server: 5 },
  startupTimeout: { request: 2, yaml: 3, models: 4, server: 5 },
  workers: { request: 2, yaml: 3, models: 4, server: 5 },
  maxSurge: { request: 2, yaml: 3, 'built-in': 1 },
  queue: { yaml: 3, server: 5 },
};
const WORDS = {
  runtime: { request: 'node', models: 'onnx', manifest: 'python3', 'built-in': 'python' },
  handler: { request: 'r:h', manifest: 'm:h', server: 's:h' },
} as const;

const TABLE: Readonly<Record<DialectName, Readonly<Record<Setting, readonly Source[]>>>> = {
  documented: {
    batchSize: ['request', 'yaml', 'models', 'built-in'],
    maxBatchDelay: ['request', 'yaml', 'models', 'built-in'],
    responseTimeout: ['request', 'yaml', 'models', 'server'],
    startupTimeout: ['request', 'yaml', 'models', 'server'],
    workers: ['request', 'yaml', 'models', 'server'],
    maxSurge: ['request', 'yaml', 'built-in'],
    runtime: ['request', 'manifest', 'models', 'built-in'],
    queue: ['yaml', 'server'],
    handler: ['request', 'manifest', 'server'],
  },
  torchserve: {
    batchSize: ['request', 'yaml', 'models', 'built-in'],
    maxBatchDelay: ['request', 'yaml', 'models', 'built-in'],
    responseTimeout: ['yaml', 'models', 'request', 'server'],
    startupTimeout: ['yaml', 'models', 'request', 'server'],
    // `models` counts for workers of models that are loaded at start only.
    workers: ['yaml', 'request', 'server'],
    maxSurge: ['yaml', 'request', 'built-in'],
    runtime: ['models', 'request', 'manifest', 'built-in'],
    queue: ['yaml', 'server'],
    handler: ['request', 'manifest', 'server'],
  },
};

function isSaidIn(setting: Setting, source: Source, speaking: readonly Source[]): boolean {
  return (
    speaking.includes(source) &&
    (TABLE.documented[setting].includes(source) || TABLE.torchserve[setting].includes(source))
  );
}

/** Compiles a version about whose one setting these sources speak. */
async function compile(dialect: DialectName, setting: Setting, speaking: readonly Source[], loadedAtStartup = false) {
  const says = (source: Source) => isSaidIn(setting, source, speaking);
  const value = (source: Source) =>
    setting === 'runtime' || setting === 'handler' ? undefined : VALUES[setting][source];
  const requestKeys: Partial<Record<Setting, Partial<RegisterParameters>>> = {
    batchSize: { batchSize: 2 },
    maxBatchDelay: { maxBatchDelayMs: 2 },
    responseTimeout: { responseTimeoutSec: 2 },
    startupTimeout: { startupTimeoutSec: 2 },
    workers: { initialWorkers: 2 },
    maxSurge: { maxSurge: 2 },
    runtime: { runtime: WORDS.runtime.request },
    handler: { handler: WORDS.handler.request },
  };
  const archiveKeys = (source: Source): Record<string, unknown> =>
    setting === 'workers'
      ? { minWorkers: value(source), maxWorkers: value(source) }
      : { [setting === 'queue' ? 'jobQueueSize' : setting]: value(source) };
  const yaml = Object.entries(archiveKeys('yaml')).map(([key, each]) => `${key}: ${each}\n`);
  const models = setting === 'runtime' ? { runtimeType: WORDS.runtime.models } : archiveKeys('models');
  const { spec } = await compileModelSpec({
    manifest: {
      modelName: 'm',
      modelVersion: '1.0',
      handler: says('manifest') && setting === 'handler' ? WORDS.handler.manifest : undefined,
      runtime: says('manifest') && setting === 'runtime' ? WORDS.runtime.manifest : undefined,
      serializedFile: undefined,
      requirementsFile: undefined,
    },
    // A file that says nothing of the setting is there in any case: TorchServe took that for a word of its own.
    configText: says('yaml') ? yaml.join('') : 'threshold: 0.5',
    request: { url: 'm.mar', ...(says('request') ? requestKeys[setting] : {}) },
    server: {
      models: parseModelsSetting(says('models') ? JSON.stringify({ m: { '1.0': models } }) : '').models,
      defaultWorkersPerModel: says('server') && setting === 'workers' ? 5 : 0,
      jobQueueSize: setting === 'queue' ? 5 : 100,
      defaultResponseTimeoutSec: 5,
      defaultStartupTimeoutSec: 5,
      installPyDepPerModel: false,
      defaultServiceHandler: says('server') && setting === 'handler' ? WORDS.handler.server : undefined,
      sequenceHeaders: SEQUENCE_HEADERS,
    },
    dialect: DIALECTS[dialect],
    machine: { gpuCount: 0, cpuCount: 6 },
    modelDir: '/m',
    url: 'm.mar',
    loadedAtStartup,
  });
  return spec;
}

function found(setting: Setting, spec: ModelSpec): unknown {
  switch (setting) {
    case 'batchSize':
      return spec.batchSize;
    case 'maxBatchDelay':
      return spec.maxBatchDelayMs;
    case 'responseTimeout':
      return spec.responseTimeoutSec;
    case 'startupTimeout':
      return spec.startupTimeoutSec;
    case 'workers':
      expect(spec.initialMaxWorkers).toBe(spec.initialMinWorkers);
      return spec.initialMinWorkers;
    case 'maxSurge':
      return spec.maxSurge;
    case 'queue':
      return spec.queueSize;
    case 'runtime':
      return spec.runtime;
    case 'handler':
      return spec.handler;
  }
}

function wordOf(setting: Setting, winner: Source): unknown {
  if (setting === 'runtime') return { ...WORDS.runtime, manifest: 'python' }[winner as keyof typeof WORDS.runtime];
  if (setting === 'handler') return WORDS.handler[winner as keyof typeof WORDS.handler];
  return VALUES[setting][winner];
}

const rows = (Object.keys(TABLE) as DialectName[]).flatMap((dialect) =>
  (Object.keys(TABLE[dialect]) as Setting[]).flatMap((setting) =>
    TABLE[dialect][setting].map((winner, index) => {
      const speaking = TABLE[dialect][setting].slice(index);
      return { dialect, setting, winner, speaking };
    }),
  ),
);

describe('a setting of a model', () => {
  it.each(rows)(
    '$setting in the $dialect dialect is $winner`s of $speaking',
    async ({ dialect, setting, winner, speaking }) => {
      expect(found(setting, await compile(dialect, setting, speaking))).toBe(wordOf(setting, winner));
    },
  );

  it('takes workers from `models` in the torchserve dialect at start only', async () => {
    const speaking: Source[] = ['models', 'request', 'server'];
    expect(found('workers', await compile('torchserve', 'workers', speaking))).toBe(VALUES.workers.request);
    expect(found('workers', await compile('torchserve', 'workers', speaking, true))).toBe(VALUES.workers.models);
  });
});
