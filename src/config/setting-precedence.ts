// Whose word counts for each setting of a model version: the two orders that a dialect can choose. Pure; model-spec-compiler gathers what
// everybody said and makes the ModelSpec.
import type { Batching } from '../core/batching.ts';
import type { ModelConfig } from './model-config.ts';
import type { ConfiguredModel } from './models-setting.ts';
import type { RegisterParameters } from './register-parameters.ts';

/** What everybody said about one version. */
export interface Wishes {
  readonly request: RegisterParameters;
  /** `model-config.yaml`. */
  readonly archive: ModelConfig;
  /** The runtime in the manifest. */
  readonly manifestRuntime: string | undefined;
  /** The server's `models` setting. */
  readonly operator: ConfiguredModel;
  /** What counts where nobody said anything. */
  readonly defaults: {
    readonly responseTimeoutSec: number;
    readonly startupTimeoutSec: number;
    /** The number of workers at registration. */
    readonly workers: number;
  };
  readonly loadedAtStartup: boolean;
}

/** The settings that won. */
export interface ChosenSettings {
  readonly runtime: RuntimeChoice;
  readonly batchSize: number;
  readonly maxBatchDelayMs: number;
  readonly batching: Batching;
  readonly responseTimeoutSec: number;
  readonly startupTimeoutSec: number;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  /** Undefined leaves it to the device. */
  readonly maxSurge: number | undefined;
}

/** The word that names the runtime, and who wrote it; undefined when nobody did. */
export type RuntimeChoice = { readonly word: string; readonly by: 'request' | 'manifest' | 'operator' } | undefined;

const DEFAULT_BATCH_SIZE = 1;
const DEFAULT_MAX_BATCH_DELAY_MS = 100;

/** The registration over the archive over the operator's `models` over the server's defaults, for every setting alike. */
export function requestFirst(wishes: Wishes): ChosenSettings {
  const { request, archive, operator, defaults } = wishes;
  return {
    ...batches(wishes),
    runtime: requestedRuntime(wishes) ?? manifestRuntime(wishes) ?? operatorRuntime(wishes),
    responseTimeoutSec:
      request.responseTimeoutSec ??
      archive.responseTimeoutSec ??
      operator.responseTimeoutSec ??
      defaults.responseTimeoutSec,
    startupTimeoutSec:
      request.startupTimeoutSec ??
      archive.startupTimeoutSec ??
      operator.startupTimeoutSec ??
      defaults.startupTimeoutSec,
    maxSurge: request.maxSurge ?? archive.lifetime.maxSurge,
    ...(sameWorkers(request.initialWorkers) ??
      workerRange(archive) ??
      workerRange(operator) ?? { minWorkers: defaults.workers, maxWorkers: defaults.workers }),
  };
}

/**
 * TorchServe's order: the archive decides over workers and timeouts, the operator over the runtime, and the operator's workers count at
 * start only. Unlike there, a timeout that the archive does not mention is not the archive's.
 */
export function archiveFirst(wishes: Wishes): ChosenSettings {
  const { request, archive, operator, defaults } = wishes;
  return {
    ...batches(wishes),
    runtime: operatorRuntime(wishes) ?? requestedRuntime(wishes) ?? manifestRuntime(wishes),
    responseTimeoutSec:
      archive.responseTimeoutSec ??
      operator.responseTimeoutSec ??
      request.responseTimeoutSec ??
      defaults.responseTimeoutSec,
    startupTimeoutSec:
      archive.startupTimeoutSec ??
      operator.startupTimeoutSec ??
      request.startupTimeoutSec ??
      defaults.startupTimeoutSec,
    maxSurge: archive.lifetime.maxSurge ?? request.maxSurge,
    ...(completeWorkerRange(archive) ??
      (wishes.loadedAtStartup ? completeWorkerRange(operator) : undefined) ??
      sameWorkers(request.initialWorkers) ?? { minWorkers: defaults.workers, maxWorkers: defaults.workers }),
  };
}

/** Both orders agree about batches. */
function batches({
  request,
  archive,
  operator,
}: Wishes): Pick<ChosenSettings, 'batchSize' | 'maxBatchDelayMs' | 'batching'> {
  return {
    // TorchServe's callers may ask for 0, which is a batch of one.
    batchSize: Math.max(1, request.batchSize ?? archive.batchSize ?? operator.batchSize ?? DEFAULT_BATCH_SIZE),
    maxBatchDelayMs:
      request.maxBatchDelayMs ?? archive.maxBatchDelayMs ?? operator.maxBatchDelayMs ?? DEFAULT_MAX_BATCH_DELAY_MS,
    batching: request.batching ?? archive.batching ?? 'adaptive',
  };
}

function requestedRuntime({ request }: Wishes): RuntimeChoice {
  return request.runtime === undefined ? undefined : { word: request.runtime, by: 'request' };
}

function manifestRuntime(wishes: Wishes): RuntimeChoice {
  return wishes.manifestRuntime === undefined ? undefined : { word: wishes.manifestRuntime, by: 'manifest' };
}

function operatorRuntime({ operator }: Wishes): RuntimeChoice {
  return operator.runtime === undefined ? undefined : { word: operator.runtime, by: 'operator' };
}

type WorkerRange = Pick<ChosenSettings, 'minWorkers' | 'maxWorkers'>;
type WorkerWish = Pick<ModelConfig, 'minWorkers' | 'maxWorkers'>;

function sameWorkers(count: number | undefined): WorkerRange | undefined {
  return count === undefined ? undefined : { minWorkers: Math.max(0, count), maxWorkers: Math.max(0, count) };
}

/** One bound is enough: a lone minimum is the maximum too, and below a lone maximum one worker starts. */
function workerRange({ minWorkers, maxWorkers }: WorkerWish): WorkerRange | undefined {
  if (minWorkers !== undefined) return { minWorkers, maxWorkers: maxWorkers ?? minWorkers };
  return maxWorkers === undefined ? undefined : { minWorkers: Math.min(1, maxWorkers), maxWorkers };
}

/** TorchServe takes both bounds or none, and at least one worker. */
function completeWorkerRange({ minWorkers, maxWorkers }: WorkerWish): WorkerRange | undefined {
  if (minWorkers === undefined || maxWorkers === undefined || maxWorkers < Math.max(1, minWorkers)) return undefined;
  return { minWorkers: Math.max(1, minWorkers), maxWorkers };
}
