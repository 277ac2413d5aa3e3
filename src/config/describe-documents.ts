// What describe prints of a version: one form for each dialect, fields in the order that its clients know.
import type { ModelSpec } from '../core/model-spec.ts';
import type { VersionDescription } from '../core/version-description.ts';
import type { WorkerDescription } from '../core/worker-state.ts';

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
    jobQueueStatus: queueStatus(description),
    inputs: description.signature?.inputs,
    outputs: description.signature?.outputs,
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
  };
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
    continuousBatching: false,
    useJobTicket: false,
    useVenv: false,
    stateful: false,
    sequenceMaxIdleMSec: 0,
    sequenceTimeoutMSec: 0,
    maxNumSequence: 0,
    maxSequenceJobQueueSize: 0,
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
