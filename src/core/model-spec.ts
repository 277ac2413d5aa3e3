// What one registered version of a model is and how it is to be served: every setting resolved, no optionals that mean "default".
// config/model-spec-compiler.ts compiles it from the manifest, model-config.yaml, the request and the server's settings.
import type { Batching } from './batching.ts';
import type { WorkerLimits } from './retirement.ts';
import type { SequenceHeaderNames } from './sequence-headers.ts';
import type { WarmupRequest } from './warmup-request.ts';

/** What a worker runs. */
export type RuntimeName = 'python' | 'node' | 'onnx';

export type DeviceType = 'cpu' | 'gpu';

/** What was installed for a Python model before its workers start. */
export interface PythonEnvironment {
  /** The interpreter that runs the workers, an absolute path; undefined for the one of the server's settings. */
  readonly python: string | undefined;
  /** A folder of packages for PYTHONPATH; undefined where the interpreter finds them by itself. */
  readonly sitePackages: string | undefined;
}

/** How the requests of a stateful model make sequences, and how far these may go. */
export interface SequenceRules {
  readonly headers: SequenceHeaderNames;
  /** How many may be open at a time; at least 1. */
  readonly maxSequences: number;
  /** How many requests of one sequence may wait; at least 1. */
  readonly maxWaitingJobs: number;
  /** How long one may be without a request; 0 is no limit. */
  readonly maxIdleMs: number;
  /** How long one may be open; 0 is no limit. */
  readonly lifetimeMs: number;
}

/** Resolved settings of one model version. */
export interface ModelSpec {
  readonly name: string;
  readonly version: string;
  /** The `url` of the registration, to the letter. */
  readonly url: string;
  readonly runtime: RuntimeName;
  /** `module`, `module.py` or `module:function`, or the name of a built-in handler; undefined leaves the choice to the runtime. */
  readonly handler: string | undefined;
  /** The unpacked archive: an absolute path. */
  readonly modelDir: string;
  /** The weights: a path below `modelDir`, undefined when the handler knows its files itself. */
  readonly modelFile: string | undefined;
  /** `model-config.yaml` as parsed by YAML 1.1 rules, null when the archive has none. */
  readonly modelConfig: Readonly<Record<string, unknown>> | null;
  /** pip's requirements that are installed before the first worker starts: a path below `modelDir`, undefined for none. */
  readonly requirementsFile: string | undefined;
  /** Whether the workers run in a virtual environment of the model's own. */
  readonly useVenv: boolean;
  /** What has been installed; undefined where nothing was asked for, and until it is there. */
  readonly environment: PythonEnvironment | undefined;
  /** At least 1. */
  readonly batchSize: number;
  readonly maxBatchDelayMs: number;
  /** Whether batches are held only where that gains, or always. */
  readonly batching: Batching;
  readonly responseTimeoutSec: number;
  readonly startupTimeoutSec: number;
  /** How many jobs may wait. */
  readonly queueSize: number;
  /** How long failing restarts go on before `/ping` says Unhealthy in the torchserve dialect. */
  readonly maxRetryTimeoutSec: number;
  /** Milliseconds a request may take before it is answered with DEADLINE_EXCEEDED; 0 is no limit. */
  readonly clientTimeoutMs: number;
  readonly deviceType: DeviceType;
  /** Devices that the author allows, undefined for all. */
  readonly deviceIds: readonly number[] | undefined;
  readonly initialMinWorkers: number;
  readonly initialMaxWorkers: number;
  /** When a worker is replaced by a fresh one. */
  readonly workerLimits: WorkerLimits;
  /** How many workers above the maximum there may be while one is replaced; with 0 the old one drains first. */
  readonly maxSurge: number;
  /** How long requests may wait before the load asks for more workers. */
  readonly targetQueueMs: number;
  readonly loadedAtStartup: boolean;
  /** What binds requests of a sequence to one worker; undefined for a model without state. */
  readonly sequences: SequenceRules | undefined;
  /** Whether jobs join and leave a batch between two calls of the handler. */
  readonly isContinuous: boolean;
  /** Whether a request is refused when no worker could begin with it at once. */
  readonly needsIdleWorker: boolean;
  /** Whether a request that a worker died of, or beside, is given to another one, once. */
  readonly retriesOnWorkerDeath: boolean;
  /** What every worker computes before it takes part. */
  readonly warmup: readonly WarmupRequest[];
}
