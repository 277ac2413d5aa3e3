// The setting `models`: a JSON object {model: {version: {key: value}}} with what the operator wants for single models where neither the
// registration nor the archive says anything. It loads nothing.
import { didYouMean } from '../core/did-you-mean.ts';
import type { RuntimeName } from '../core/model-spec.ts';
import { findRuntime, RUNTIME_WORDS } from './runtime-name.ts';
import { MAX_TIMER_SEC } from './setting-parsers.ts';
import { UnusableValue } from './unusable-value.ts';

/** What `models` says about one version; undefined where it says nothing. */
export interface ConfiguredModel {
  readonly minWorkers: number | undefined;
  readonly maxWorkers: number | undefined;
  readonly batchSize: number | undefined;
  readonly maxBatchDelayMs: number | undefined;
  readonly responseTimeoutSec: number | undefined;
  readonly startupTimeoutSec: number | undefined;
  readonly runtime: RuntimeName | undefined;
}

/** Model name → version → what the operator wants for it. */
export type ConfiguredModels = ReadonlyMap<string, ReadonlyMap<string, ConfiguredModel>>;

/** The parsed setting, and what the operator should know about entries that have no effect. */
export interface ModelsSetting {
  readonly models: ConfiguredModels;
  readonly notices: readonly string[];
}

/** Smallest and largest value of each number. Smaller ones count as not said, as TorchServe has it, but not silently. */
const NUMBERS = {
  minWorkers: { min: 0, max: Number.MAX_SAFE_INTEGER },
  maxWorkers: { min: 0, max: Number.MAX_SAFE_INTEGER },
  batchSize: { min: 1, max: Number.MAX_SAFE_INTEGER },
  maxBatchDelay: { min: 0, max: MAX_TIMER_SEC * 1000 },
  responseTimeout: { min: 1, max: MAX_TIMER_SEC },
  startupTimeout: { min: 1, max: MAX_TIMER_SEC },
} as const;

/** Keys that TorchServe writes into its snapshots, and that mean nothing in this setting. */
const SNAPSHOT_KEYS: readonly string[] = ['defaultVersion', 'marName', 'parallelLevel'];

const KNOWN_KEYS: readonly string[] = [...Object.keys(NUMBERS), 'runtimeType', ...SNAPSHOT_KEYS];

/**
 * Reads the setting; an empty text is an empty setting.
 * @throws UnusableValue naming model, version and key of the first value that cannot be used
 */
export function parseModelsSetting(text: string): ModelsSetting {
  const notices: string[] = [];
  if (text === '') return { models: new Map(), notices };
  const models = new Map<string, ReadonlyMap<string, ConfiguredModel>>();
  for (const [name, versions] of entriesOf(parseJson(text), 'models')) {
    const byVersion = new Map<string, ConfiguredModel>();
    for (const [version, settings] of entriesOf(versions, name)) {
      byVersion.set(
        version,
        parseOne(new Map(entriesOf(settings, `${name} ${version}`)), `${name} ${version}`, notices),
      );
    }
    models.set(name, byVersion);
  }
  return { models, notices };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new UnusableValue(`expected a JSON object {"model": {"version": {"batchSize": 4}}} (${detail})`);
  }
}

function entriesOf(value: unknown, where: string): [string, unknown][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value);
  throw new UnusableValue(`${where}: expected a JSON object, found ${JSON.stringify(value)}`);
}

function parseOne(settings: ReadonlyMap<string, unknown>, where: string, notices: string[]): ConfiguredModel {
  for (const key of settings.keys()) {
    if (SNAPSHOT_KEYS.includes(key)) {
      notices.push(`models: ${where}: "${key}" counts only in a snapshot and has no effect here`);
    } else if (!KNOWN_KEYS.includes(key)) {
      notices.push(`models: ${where}: "${key}" is unknown and has no effect${didYouMean(key, KNOWN_KEYS)}`);
    }
  }
  const number = (key: keyof typeof NUMBERS) => parseNumber(key, settings.get(key), where, notices);
  const model: ConfiguredModel = {
    minWorkers: number('minWorkers'),
    maxWorkers: number('maxWorkers'),
    batchSize: number('batchSize'),
    maxBatchDelayMs: number('maxBatchDelay'),
    responseTimeoutSec: number('responseTimeout'),
    startupTimeoutSec: number('startupTimeout'),
    runtime: parseRuntimeType(settings.get('runtimeType'), where),
  };
  if (model.minWorkers !== undefined && model.maxWorkers !== undefined && model.minWorkers > model.maxWorkers) {
    throw new UnusableValue(`${where}: minWorkers ${model.minWorkers} is more than maxWorkers ${model.maxWorkers}`);
  }
  return model;
}

function parseNumber(key: keyof typeof NUMBERS, value: unknown, where: string, notices: string[]): number | undefined {
  if (value === undefined) return undefined;
  const { min, max } = NUMBERS[key];
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new UnusableValue(`${where}: ${key}: expected a whole number, found ${JSON.stringify(value)}`);
  }
  if (value > max) throw new UnusableValue(`${where}: ${key}: expected at most ${max}, found ${value}`);
  if (value >= min) return value;
  notices.push(`models: ${where}: ${key} ${value} has no effect; the smallest value that has is ${min}`);
  return undefined;
}

function parseRuntimeType(value: unknown, where: string): RuntimeName | undefined {
  if (value === undefined) return undefined;
  const runtime = typeof value === 'string' ? findRuntime(value, false) : undefined;
  if (runtime !== undefined) return runtime;
  throw new UnusableValue(`${where}: runtimeType: expected one of ${RUNTIME_WORDS}, found ${JSON.stringify(value)}`);
}
