// What describe prints of a version: one form for each dialect, fields in the order that its clients know.
import { ServingError } from '../core/errors.ts';
import type { PhaseReport } from '../core/load-progress.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { ScalingReport } from '../core/scale-policy.ts';
import type { StartFailure } from '../core/start-failure.ts';
import type { PendingDescription, VersionDescription } from '../core/version-description.ts';
import { exitReason, type WorkerDescription } from '../core/worker-state.ts';
import { DOCUMENTED_ERRORS } from './http-error-tables.ts';

export function describeDocumented(description: VersionDescription): object {
  const { spec } = description;
  return {
    modelName: spec.name,
    modelVersion: spec.version,
    modelUrl: spec.url,
    engine: { python: 'Torch', onnx: 'ONNX Runtime', node: 'Node' }[spec.runtime],
    runtime: spec.runtime,
    ...sizesOf(description),
    workers: description.workers.map(describeWorkerDocumented),
    ...furtherFields(spec),
    batching: spec.batching,
    jobQueueStatus: queueStatus(description),
    customizedMetadata: customizedMetadata(description),
    customizedError: customizedError(description),
    inputs: description.signature?.inputs,
    outputs: description.signature?.outputs,
    loading: description.loading.map(describePhase),
    lastError: description.lastError && describeStartFailure(description.lastError),
    scaling: description.scaling && describeScaling(description.scaling),
  };
}

/** A registration without a version: what is known of it already. */
export function describePending({ name, url, loading }: PendingDescription): object {
  return { modelName: name, modelUrl: url, loading: loading.map(describePhase) };
}

function describePhase({ phase, state, tookMs, doneBytes, totalBytes }: PhaseReport): object {
  return { phase, state, seconds: Math.round(tookMs) / 1000, bytes: doneBytes, totalBytes };
}

function describeScaling({ reason, lastChange }: ScalingReport): object {
  return { reason, lastChange: lastChange && { ...lastChange, at: lastChange.at.toISOString() } };
}

/** With the status and the word that the answer to a synchronous registration has. */
function describeStartFailure({ worker, code, message, hint, trace, at }: StartFailure): object {
  return {
    ...documentOf(new ServingError(code, message)),
    hint,
    trace: trace === '' ? undefined : trace.split('\n'),
    worker,
    at: at.toISOString(),
  };
}

function documentOf(error: ServingError): object {
  const { status, type } = DOCUMENTED_ERRORS[error.code];
  return {
    code: typeof status === 'number' ? status : status(error),
    type: typeof type === 'string' ? type : type(error),
    message: error.message,
  };
}

export function describeTorchserve(description: VersionDescription): object {
  const { spec } = description;
  return {
    modelName: spec.name,
    modelVersion: spec.version,
    modelUrl: spec.url,
    runtime: spec.runtime,
    ...sizesOf(description),
    ...furtherFields(spec),
    workers: description.workers.map((worker) => ({
      id: worker.id,
      startTime: worker.createdAt.toISOString(),
      status: statusWord(worker),
      memoryUsage: worker.memoryBytes,
      pid: worker.pid ?? -1,
      gpu: worker.gpuId !== undefined,
      gpuUsage: worker.gpuUsage,
    })),
    jobQueueStatus: queueStatus(description),
    customizedMetadata: customizedMetadata(description),
  };
}

function customizedMetadata({ customized }: VersionDescription): object | undefined {
  return customized !== undefined && 'metadata' in customized ? customized.metadata : undefined;
}

function customizedError({ customized }: VersionDescription): object | undefined {
  return customized !== undefined && 'failure' in customized ? documentOf(customized.failure) : undefined;
}

function sizesOf({ spec, minWorkers, maxWorkers }: VersionDescription): object {
  return { minWorkers, maxWorkers, batchSize: spec.batchSize, maxBatchDelay: spec.maxBatchDelayMs };
}

/** What TorchServe came to say of a version after the contract had been written. */
function furtherFields(spec: ModelSpec): object {
  return {
    responseTimeout: spec.responseTimeoutSec,
    startupTimeout: spec.startupTimeoutSec,
    maxRetryTimeoutInSec: spec.maxRetryTimeoutSec,
    clientTimeoutInMills: spec.clientTimeoutMs,
    parallelType: '',
    parallelLevel: 0,
    deviceType: spec.deviceType,
    deviceIds: spec.deviceIds,
    continuousBatching: spec.isContinuous,
    useJobTicket: spec.needsIdleWorker,
    useVenv: spec.useVenv,
    stateful: spec.sequences !== undefined,
    sequenceMaxIdleMSec: spec.sequences?.maxIdleMs ?? 0,
    sequenceTimeoutMSec: spec.sequences?.lifetimeMs ?? 0,
    maxNumSequence: spec.sequences?.maxSequences ?? 0,
    maxSequenceJobQueueSize: spec.sequences?.maxWaitingJobs ?? 0,
    loadedAtStartup: spec.loadedAtStartup,
  };
}

function describeWorkerDocumented(worker: WorkerDescription): object {
  return {
    id: worker.id,
    startTime: worker.createdAt.toISOString(),
    status: statusWord(worker),
    gpu: worker.gpuId !== undefined,
    memoryUsage: worker.memoryBytes,
    pid: worker.pid,
    gpuUsage: worker.gpuUsage,
    state: worker.state,
    reason: worker.reason === '' ? undefined : worker.reason,
    lastExit: worker.lastExit && {
      exitCode: worker.lastExit.exitCode ?? undefined,
      signal: worker.lastExit.signal ?? undefined,
      reason: exitReason(worker.lastExit),
      killedFor: worker.lastExit.killedFor,
      stderr: worker.lastExit.stderrTail,
    },
    nextRetryAt: worker.nextRetryAt?.toISOString(),
  };
}

function statusWord(worker: WorkerDescription): string {
  return worker.state === 'ready' || worker.state === 'busy' ? 'READY' : 'UNLOADING';
}

function queueStatus(description: VersionDescription): object {
  return { remainingCapacity: description.remainingCapacity, pendingRequests: description.waiting };
}
