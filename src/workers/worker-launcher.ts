// Starts the process of a worker and connects to it: everything that worker.ts needs to know of one attempt.
import { availableParallelism } from 'node:os';
import type { ListedMetric } from '../core/listed-metrics.ts';
import type { ModelSignature } from '../core/model-signature.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Clock, ModelMetric, WorkerLog } from '../core/ports.ts';
import type { WorkerExit } from '../core/worker-state.ts';
import { type LoadMessage, PROTOCOL_VERSION } from '../protocol/messages.ts';
import { CREDIT_BYTES } from './held-jobs.ts';
import type { OrphanGuard } from './orphan-guard.ts';
import { launchFor, type RuntimeSettings } from './runtimes.ts';
import { WorkerClient } from './worker-client.ts';
import { WorkerProcess } from './worker-process.ts';

/** What a worker wants to hear from its process. */
export interface WorkerHooks {
  readonly id: string;
  readonly gpuId: number | undefined;
  onAnswer(): void;
  onRoom(): void;
  onBroken(why: string): void;
}

/** A worker's process from spawn to exit. */
export interface StartedWorker {
  readonly pid: number | undefined;
  readonly client: WorkerClient;
  readonly exited: Promise<WorkerExit>;
  /** Resolves when the model is loaded, with its inputs and outputs if they are known; rejects with the reason that the worker reported. */
  load(): Promise<ModelSignature | undefined>;
  /** Has the version's warm-up requests computed, telling each as it begins; rejects at the first that fails. Undefined where there are none. */
  readonly warmUp: ((onRequest: (name: string) => void) => Promise<void>) | undefined;
  /** Asks the process to write where it is to its stderr; false when its runtime cannot. */
  showStack(): boolean;
  /** Signals the process and all that it started; `why` is for those who ask how it ended. */
  signal(name: 'SIGTERM' | 'SIGKILL', why: string): void;
  /** Lets go of the descriptors of a process that has exited. */
  release(): void;
}

export type WorkerLauncher = (hooks: WorkerHooks) => StartedWorker;

/** Settings of the server that go into every `load` message. */
export interface LoadSettings {
  readonly maxResponseBytes: number;
  readonly serverVersion: string;
  /** Wrapped around Python handlers. */
  readonly envelope: string | undefined;
  readonly limitMaxImagePixels: boolean;
  /** The metrics that are listed for handlers, undefined where none are. */
  readonly modelMetrics: readonly ListedMetric[] | undefined;
}

export interface LauncherOptions {
  readonly spec: ModelSpec;
  readonly settings: RuntimeSettings & LoadSettings;
  readonly clock: Clock;
  readonly log: WorkerLog;
  readonly orphanGuard: OrphanGuard;
  /** How many workers the version may have, to share out the machine's cores. */
  poolSize(): number;
  onMetric(metric: ModelMetric): void;
  onHandlerTime(handlerMs: number, jobs: number): void;
}

/** A launcher for workers of one model version. */
export function workerLauncher(options: LauncherOptions): WorkerLauncher {
  const { spec, settings, clock, log, orphanGuard } = options;
  const launch = launchFor(spec, settings);
  return (hooks) => {
    const tag = { model: spec.name, version: spec.version, worker: hooks.id };
    const process = new WorkerProcess(launch, clock, (line, stream) => log.line(tag, stream, line));
    const { pid } = process;
    if (pid !== undefined) {
      orphanGuard.watch(pid);
      void process.exited.then(() => orphanGuard.forget(pid));
    }
    const client = new WorkerClient([process], {
      id: hooks.id,
      model: spec.name,
      batchSize: spec.batchSize,
      responseTimeoutMs: spec.responseTimeoutSec * 1000,
      maxResponseBytes: settings.maxResponseBytes,
      clock,
      onRoom: hooks.onRoom,
      onAnswer: hooks.onAnswer,
      onMetric: options.onMetric,
      onHandlerTime: options.onHandlerTime,
      onBroken: hooks.onBroken,
    });
    return {
      pid,
      client,
      exited: process.exited,
      load: async () => (await client.load(loadMessage(options, hooks.gpuId))).signature,
      warmUp: spec.warmup.length === 0 ? undefined : (onRequest) => rehearse(client, options, onRequest),
      showStack: () => process.showStack(),
      signal: (name, why) => process.signal(name, why),
      release: () => process.release(),
    };
  };
}

async function rehearse(
  worker: WorkerClient,
  { spec, clock }: LauncherOptions,
  onRequest: (name: string) => void,
): Promise<void> {
  // Most models have no use for it.
  const { warmUp } = await import('./warm-up.ts');
  const { warmup: requests, modelDir, batchSize } = spec;
  await warmUp({ worker, requests, modelDir, batchSize, clock, onRequest });
}

/** An ONNX network has no code of its own, whatever its archive still names; a Node model without a name for its code calls it `handler`. */
function handlerOf({ runtime, handler }: ModelSpec): string | null {
  if (runtime === 'onnx') return null;
  return handler ?? (runtime === 'node' ? 'handler' : null);
}

function loadMessage({ spec, settings, poolSize }: LauncherOptions, gpuId: number | undefined): LoadMessage {
  return {
    type: 'load',
    protocol: PROTOCOL_VERSION,
    modelName: spec.name,
    modelVersion: spec.version,
    modelDir: spec.modelDir,
    handler: handlerOf(spec),
    modelFile: spec.modelFile ?? null,
    threads: Math.max(1, Math.floor(availableParallelism() / Math.max(1, poolSize()))),
    batchSize: spec.batchSize,
    gpuId: gpuId ?? null,
    envelope: settings.envelope ?? null,
    limitMaxImagePixels: settings.limitMaxImagePixels,
    decodeInput: settings.decodeInput,
    modelConfig: spec.modelConfig,
    modelMetrics: settings.modelMetrics ?? null,
    maxResponseBytes: settings.maxResponseBytes,
    creditBytes: CREDIT_BYTES,
    serverVersion: settings.serverVersion,
    rank: 0,
    worldSize: 1,
  };
}
