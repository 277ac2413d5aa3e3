// `model-config.yaml`: the keys that the server itself reads, typed, and the whole text as a JSON-safe record for the handler. What wins
// over what is decided in setting-precedence.
import { BATCHING_WORDS, type Batching } from '../core/batching.ts';
import { didYouMean } from '../core/did-you-mean.ts';
import { ServingError } from '../core/errors.ts';
import type { DeviceType } from '../core/model-spec.ts';
import type { WarmupRequest } from '../core/warmup-request.ts';
import { NO_SERVING_KEYS, type ServingKeys } from './serving-mode.ts';
import { MAX_TIMER_SEC } from './setting-parsers.ts';
import { parseWarmup } from './warmup.ts';
import { type LifetimeKeys, MAX_SURGE, NO_LIFETIME_KEYS } from './worker-lifetime.ts';
import { parseYaml, UnusableYaml } from './yaml-text.ts';

/** What an archive says about how it wants to be served; undefined where it says nothing. */
export interface ModelConfig {
  readonly minWorkers: number | undefined;
  /** Never less than `minWorkers`. */
  readonly maxWorkers: number | undefined;
  readonly batchSize: number | undefined;
  readonly maxBatchDelayMs: number | undefined;
  readonly batching: Batching | undefined;
  readonly responseTimeoutSec: number | undefined;
  readonly startupTimeoutSec: number | undefined;
  readonly deviceType: DeviceType | undefined;
  readonly deviceIds: readonly number[] | undefined;
  readonly maxRetryTimeoutSec: number | undefined;
  readonly clientTimeoutMs: number | undefined;
  /** 0 leaves the size of the queue to the server. */
  readonly jobQueueSize: number | undefined;
  readonly useVenv: boolean | undefined;
  readonly retryOnWorkerDeath: boolean | undefined;
  readonly warmup: readonly WarmupRequest[];
  readonly serving: ServingKeys;
  readonly lifetime: LifetimeKeys;
}

/** A parsed `model-config.yaml`. */
export interface ParsedModelConfig {
  readonly config: ModelConfig;
  /** Everything in the file, for the handler; null for a file without content. */
  readonly record: Readonly<Record<string, unknown>> | null;
  /** One line each about what has no effect. */
  readonly notices: readonly string[];
}

/** What an archive without `model-config.yaml` says. */
export const NO_MODEL_CONFIG: ParsedModelConfig = {
  config: {
    minWorkers: undefined,
    maxWorkers: undefined,
    batchSize: undefined,
    maxBatchDelayMs: undefined,
    batching: undefined,
    responseTimeoutSec: undefined,
    startupTimeoutSec: undefined,
    deviceType: undefined,
    deviceIds: undefined,
    maxRetryTimeoutSec: undefined,
    clientTimeoutMs: undefined,
    jobQueueSize: undefined,
    useVenv: undefined,
    retryOnWorkerDeath: undefined,
    warmup: [],
    serving: NO_SERVING_KEYS,
    lifetime: NO_LIFETIME_KEYS,
  },
  record: null,
  notices: [],
};

/** What becomes of a value that a key cannot have: an error, or (as in TorchServe) a notice and the default. */
export type WrongValues = 'refuse' | 'ignore';

const FILE = 'model-config.yaml';
const DEVICE_TYPES: readonly DeviceType[] = ['cpu', 'gpu'];
const MAX_TIMER_MS = MAX_TIMER_SEC * 1000;

/**
 * Parses the text of `model-config.yaml`.
 * @throws ServingError MANIFEST_INVALID for broken YAML, for a model of several processes, and with 'refuse' for a value that its key cannot have
 */
export async function parseModelConfig(text: string, wrongValues: WrongValues): Promise<ParsedModelConfig> {
  const record = await parseRecord(text);
  const fields = new ConfigFields(new Map(Object.entries(record ?? {})), wrongValues);
  fields.checkRanks();
  const config: ModelConfig = {
    ...fields.workers(),
    batchSize: fields.wholeNumber('batchSize', 1, Number.MAX_SAFE_INTEGER, 'raise'),
    maxBatchDelayMs: fields.wholeNumber('maxBatchDelay', 0, MAX_TIMER_MS),
    batching: fields.word('batching', BATCHING_WORDS),
    responseTimeoutSec: fields.wholeNumber('responseTimeout', 1, MAX_TIMER_SEC),
    startupTimeoutSec: fields.wholeNumber('startupTimeout', 1, MAX_TIMER_SEC),
    deviceType: fields.word('deviceType', DEVICE_TYPES),
    deviceIds: fields.deviceIds(),
    maxRetryTimeoutSec: fields.wholeNumber('maxRetryTimeoutInSec', 0, MAX_TIMER_SEC),
    clientTimeoutMs: fields.wholeNumber('clientTimeoutInMills', 0, MAX_TIMER_MS),
    jobQueueSize: fields.wholeNumber('jobQueueSize', 0, Number.MAX_SAFE_INTEGER),
    useVenv: fields.flag('useVenv'),
    retryOnWorkerDeath: fields.flag('retryOnWorkerDeath'),
    warmup: fields.warmup(),
    serving: fields.serving(),
    lifetime: fields.lifetime(),
  };
  return { config, record, notices: [...fields.notices, ...fields.otherKeys()] };
}

async function parseRecord(text: string): Promise<Readonly<Record<string, unknown>> | null> {
  let value: unknown;
  try {
    value = await parseYaml(text);
  } catch (error) {
    if (error instanceof UnusableYaml)
      throw new ServingError('MANIFEST_INVALID', `${FILE}: ${error.message}`, {}, error);
    throw error;
  }
  if (value === null) return null;
  if (isRecord(value)) return value;
  throw new ServingError('MANIFEST_INVALID', `${FILE}: expected keys and values, found ${describeValue(value)}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one key after the other, remembers which it knows, and meets wrong values as it was told. */
class ConfigFields {
  readonly notices: string[] = [];
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #wrongValues: WrongValues;
  readonly #known = new Set<string>();

  constructor(values: ReadonlyMap<string, unknown>, wrongValues: WrongValues) {
    this.#values = values;
    this.#wrongValues = wrongValues;
  }

  /** `raise` takes min for a smaller number where wrong values are ignored. */
  wholeNumber(key: string, min: number, max: number, whenSmaller: 'drop' | 'raise' = 'drop'): number | undefined {
    const value = this.#read(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value)) {
      if (value >= min && value <= max) return value;
      if (value > max) return this.#wrong(key, `expected a whole number of at most ${max}`, value);
      this.#wrong(key, `expected a whole number of at least ${min}`, value);
      return whenSmaller === 'raise' ? min : undefined;
    }
    return this.#wrong(key, `expected a whole number of at least ${min}`, value);
  }

  workers(): Pick<ModelConfig, 'minWorkers' | 'maxWorkers'> {
    const minWorkers = this.wholeNumber('minWorkers', 0, Number.MAX_SAFE_INTEGER, 'raise');
    const maxWorkers = this.wholeNumber('maxWorkers', 0, Number.MAX_SAFE_INTEGER);
    if (minWorkers !== undefined && maxWorkers !== undefined && minWorkers > maxWorkers) {
      this.#wrong('maxWorkers', `expected at least minWorkers, which is ${minWorkers}`, maxWorkers);
      return { minWorkers: undefined, maxWorkers: undefined };
    }
    return { minWorkers, maxWorkers };
  }

  serving(): ServingKeys {
    return {
      sequenceBatching: this.flag('sequenceBatching'),
      continuousBatching: this.flag('continuousBatching'),
      asyncCommunication: this.flag('asyncCommunication'),
      useJobTicket: this.flag('useJobTicket'),
      sequenceMaxIdleMSec: this.wholeNumber('sequenceMaxIdleMSec', 0, MAX_TIMER_MS),
      sequenceTimeoutMSec: this.wholeNumber('sequenceTimeoutMSec', 0, MAX_TIMER_MS),
      maxSequenceJobQueueSize: this.wholeNumber('maxSequenceJobQueueSize', 1, Number.MAX_SAFE_INTEGER, 'raise'),
      maxNumSequence: this.wholeNumber('maxNumSequence', 1, Number.MAX_SAFE_INTEGER, 'raise'),
    };
  }

  warmup(): readonly WarmupRequest[] {
    return parseWarmup(this.#read('warmup'), (key, expected, value) => this.#wrong(key, expected, value));
  }

  lifetime(): LifetimeKeys {
    return {
      maxRequestsPerWorker: this.wholeNumber('maxRequestsPerWorker', 0, Number.MAX_SAFE_INTEGER),
      maxWorkerAgeSec: this.wholeNumber('maxWorkerAgeSec', 0, MAX_TIMER_SEC),
      maxWorkerRssBytes: this.wholeNumber('maxWorkerRssBytes', 0, Number.MAX_SAFE_INTEGER),
      maxSurge: this.wholeNumber('maxSurge', 0, MAX_SURGE),
      targetQueueTimeMSec: this.wholeNumber('targetQueueTimeMSec', 1, MAX_TIMER_MS),
    };
  }

  flag(key: string): boolean | undefined {
    const value = this.#read(key);
    if (value === undefined || typeof value === 'boolean') return value;
    return this.#wrong(key, 'expected true or false', value);
  }

  /**
   * A worker is one process with one device at most. A model that needs more would load wrongly or not at all, so it is refused; what amounts to
   * one process all the same is told where wrong values are.
   */
  checkRanks(): void {
    const parallelType = this.#read('parallelType') ?? '';
    const level = this.wholeNumber('parallelLevel', 0, Number.MAX_SAFE_INTEGER) ?? 0;
    const torchrun = this.#read('torchrun');
    const ranks = isRecord(torchrun) ? torchrun['nproc-per-node'] : undefined;
    const isLarge = (typeof ranks === 'number' && ranks > 1) || (parallelType !== '' && level > 1);
    const named = [
      ...(torchrun === undefined ? [] : ['torchrun']),
      ...(parallelType === '' ? [] : ['parallelType']),
      ...(level > 1 ? ['parallelLevel'] : []),
    ];
    const [key] = named;
    if (key === undefined) return;
    const keys = `${FILE}: ${named.join(', ')}`;
    if (isLarge || this.#wrongValues === 'refuse') {
      const message = `${keys}: a worker is one process with one device here; models of several processes (torchrun, tensor or pipeline parallel) are not served. Remove the keys if the model also runs in one process, and pack the archive again`;
      throw new ServingError('MANIFEST_INVALID', message, { parameter: key, value: describeValue(this.#read(key)) });
    }
    this.notices.push(`${keys}: the model is served in one process, which is what these values amount to`);
  }

  /** One of these words, in any letter case. */
  word<W extends string>(key: string, words: readonly W[]): W | undefined {
    const value = this.#read(key);
    if (value === undefined) return undefined;
    const lower = typeof value === 'string' ? value.toLowerCase() : undefined;
    return words.find((word) => word === lower) ?? this.#wrong(key, `expected ${words.join(' or ')}`, value);
  }

  deviceIds(): readonly number[] | undefined {
    const value = this.#read('deviceIds');
    if (value === undefined) return undefined;
    const isId = (id: unknown): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0;
    if (Array.isArray(value) && value.length > 0 && value.every(isId)) return value;
    return this.#wrong('deviceIds', 'expected a list of whole numbers of at least 0', value);
  }

  /** Notices about keys that look like a slip; all others are the handler's own. */
  otherKeys(): string[] {
    const notices: string[] = [];
    for (const key of this.#values.keys()) {
      const hint = this.#known.has(key) ? '' : didYouMean(key, this.#known);
      if (hint !== '') notices.push(`${FILE}: "${key}" is left to the handler${hint}`);
    }
    return notices;
  }

  #read(key: string): unknown {
    this.#known.add(key);
    return this.#values.get(key);
  }

  #wrong(key: string, expected: string, value: unknown): undefined {
    const found = describeValue(value);
    const message = `${FILE}: ${key}: ${expected}, found ${found}`;
    if (this.#wrongValues === 'refuse') {
      throw new ServingError('MANIFEST_INVALID', message, { parameter: key, value: found });
    }
    this.notices.push(`${message}; the value is not used as it stands`);
    return undefined;
  }
}

function describeValue(value: unknown): string {
  if (value === null) return 'nothing';
  const text = JSON.stringify(value);
  if (text.length <= 80) return text;
  return Array.isArray(value) ? 'a long list' : isRecord(value) ? 'a large map' : `${text.slice(0, 80)}…`;
}
