// The two dialects of the API: what each answers, how it reads parameters, which defaults it has. Two records of one type, chosen
// once at start; nobody else asks which dialect is in force.
import { STATUS_CODES } from 'node:http';
import type { ErrorCode, ServingError } from '../core/errors.ts';
import type { OutputEncoding } from '../core/job.ts';
import type { VersionDescription } from '../core/version-description.ts';
import type { WorkerDescription } from '../core/worker-state.ts';

export type DialectName = 'documented' | 'torchserve';

/** How one error code appears over HTTP. */
export interface HttpError {
  readonly status: number | ((error: ServingError) => number);
  /** The word in `type`. */
  readonly type: string;
  /** The dialect's own text; absent for the error's own message. */
  readonly message?: (error: ServingError) => string;
}

export interface HttpAnswer {
  readonly status: number;
  /** What the document's `status` says. */
  readonly text: string;
}

/** A model name and version, and how many workers were asked for. */
export interface ScaledModel {
  readonly name: string;
  readonly version: string;
  readonly minWorkers: number;
  /** Whether the caller named the version. */
  readonly isVersionNamed: boolean;
}

/** One way of wording and coding the API. */
export interface Dialect {
  readonly name: DialectName;
  /** Settings whose default depends on the dialect. */
  readonly defaults: {
    readonly enableModelApi: boolean;
    readonly maxRequestBytes: number;
    readonly maxResponseBytes: number;
    /** `synchronous` of a registration that does not say. */
    readonly isRegistrationSynchronous: boolean;
  };
  /** Whose word counts for a model's settings: the registration's, or the archive's as in TorchServe. */
  readonly precedence: 'request-first' | 'archive-first';
  /** How `runtime` is read: any case, or TorchServe's exact words. */
  readonly isRuntimeCaseSensitive: boolean;
  readonly parameters: {
    /** Refuse what cannot be read and what is not known, or take the default as TorchServe does. */
    readonly policy: 'strict' | 'lenient';
    /** Whether query parameters count beside a JSON body. */
    readonly isQueryReadWithBody: boolean;
    readonly maxPageSize: number;
  };
  /** After a synchronous scale whose workers failed: the former numbers, or the new ones. */
  readonly onScaleFailure: 'restore' | 'keep';
  /** Which versions `/ping` asks, and when a failing worker begins to count. */
  readonly health: 'every-version' | 'default-versions-after-retry-window';
  readonly answers: {
    readonly registered: (model: ScaledModel) => HttpAnswer;
    readonly registeredWithWorkers: (model: ScaledModel) => HttpAnswer;
    readonly scaling: () => HttpAnswer;
    readonly scaled: (model: ScaledModel) => HttpAnswer;
    readonly describe: (description: VersionDescription) => object;
  };
  readonly errors: Readonly<Record<ErrorCode, HttpError>>;
  readonly http: {
    /** Reason phrase of an answer that a handler gave without one; undefined for the standard phrase. */
    readonly predictionReason: string | undefined;
    /** The reason phrase of every other answer. */
    readonly reasonOf: (status: number) => string;
    /** Content type of a prediction whose handler set none. */
    readonly defaultContentType: Readonly<Record<OutputEncoding, string | undefined>>;
    /** Headers behind `x-request-id` on every answer, name and value in turn. */
    readonly extraHeaders: readonly string[];
    /** Whether an error ends the connection although the request was read whole. */
    readonly isClosedOnError: boolean;
    /** Whether a body that is too large is answered with an empty document. */
    readonly isTooLargeBare: boolean;
    readonly isClientRequestIdKept: boolean;
  };
}

const RESOURCE_TEXT = 'Requested resource is not found, please refer to API document.';
const METHOD_TEXT = 'Requested method is not allowed, please refer to API document.';

const DOCUMENTED_ERRORS: Readonly<Record<ErrorCode, HttpError>> = {
  INVALID_PARAMETER: { status: 400, type: 'BadRequestException' },
  UNKNOWN_PARAMETER: { status: 400, type: 'BadRequestException' },
  MISSING_PARAMETER: { status: 400, type: 'BadRequestException' },
  INVALID_RUNTIME: { status: 400, type: 'BadRequestException' },
  INVALID_BODY: { status: 400, type: 'BadRequestException' },
  MALFORMED_URL: { status: 400, type: 'BadRequestException' },
  BODY_TOO_LARGE: { status: 413, type: 'PayloadTooLargeException' },
  RESOURCE_NOT_FOUND: { status: 404, type: 'ResourceNotFoundException', message: () => RESOURCE_TEXT },
  METHOD_NOT_ALLOWED: { status: 405, type: 'MethodNotAllowedException', message: () => METHOD_TEXT },
  HOST_NOT_ALLOWED: { status: 403, type: 'ForbiddenException' },
  CROSS_SITE_REQUEST: { status: 403, type: 'ForbiddenException' },
  MODEL_NOT_FOUND: { status: 404, type: 'ModelNotFoundException' },
  MODEL_VERSION_NOT_FOUND: { status: 404, type: 'ModelVersionNotFoundException' },
  MODEL_ALREADY_REGISTERED: { status: 409, type: 'ConflictStatusException' },
  DEFAULT_VERSION_IN_USE: { status: 403, type: 'InvalidModelVersionException' },
  MODEL_STORE_MISSING: { status: 404, type: 'ModelNotFoundException' },
  ARCHIVE_NOT_FOUND: { status: 404, type: 'ModelNotFoundException' },
  ARCHIVE_PATH_FORBIDDEN: { status: 404, type: 'ModelNotFoundException' },
  ARCHIVE_INVALID: { status: 400, type: 'InvalidModelException' },
  MANIFEST_INVALID: { status: 400, type: 'InvalidModelException' },
  DOWNLOAD_FAILED: { status: 400, type: 'DownloadArchiveException' },
  SCALE_SUPERSEDED: { status: 409, type: 'ConflictStatusException' },
  HANDLER_NOT_FOUND: { status: 500, type: 'HandlerNotFoundException' },
  HANDLER_IMPORT_FAILED: { status: 500, type: 'HandlerImportException' },
  HANDLER_INITIALIZE_FAILED: { status: 500, type: 'HandlerInitializeException' },
  MODEL_FILE_NOT_FOUND: { status: 500, type: 'ModelFileNotFoundException' },
  WORKER_OUT_OF_MEMORY: { status: 507, type: 'OutOfMemoryException' },
  WORKER_CRASHED_AT_START: { status: 500, type: 'WorkerCrashException' },
  STARTUP_TIMEOUT: { status: 500, type: 'StartupTimeoutException' },
  NO_WORKER: { status: 503, type: 'ServiceUnavailableException' },
  MODEL_UNAVAILABLE: { status: 503, type: 'ServiceUnavailableException' },
  MODEL_STOPPING: { status: 503, type: 'ServiceUnavailableException' },
  SERVER_STOPPING: { status: 503, type: 'ServiceUnavailableException' },
  QUEUE_FULL: { status: 503, type: 'ServiceUnavailableException' },
  DEADLINE_EXCEEDED: { status: 504, type: 'RequestTimeoutException' },
  CANCELLED: { status: 499, type: 'RequestTimeoutException' },
  RESPONSE_TIMEOUT: { status: 504, type: 'RequestTimeoutException' },
  WORKER_DIED: { status: 503, type: 'ServiceUnavailableException' },
  PREDICTION_FAILED: { status: 500, type: 'InternalServerException' },
  HANDLER_ERROR: { status: (error) => handlerStatus(error), type: 'InternalServerException' },
  OUT_OF_RESOURCES: { status: 507, type: 'InternalServerException' },
  OUTPUT_NOT_A_LIST: { status: 500, type: 'InternalServerException' },
  OUTPUT_WRONG_LENGTH: { status: 500, type: 'InternalServerException' },
  OUTPUT_NOT_SERIALISABLE: { status: 500, type: 'InternalServerException' },
  OUTPUT_HEADER_INVALID: { status: 500, type: 'InternalServerException' },
  RESPONSE_TOO_LARGE: { status: 500, type: 'InternalServerException' },
  INTERNAL: { status: 500, type: 'InternalServerException' },
};

const startFailed: HttpError = { status: 500, type: 'InternalServerException', message: failedToStart };
const noWorker: HttpError = { status: 503, type: 'ServiceUnavailableException', message: noWorkerText };
const workerDied = () => 'Worker died.';

const TORCHSERVE_ERRORS: Readonly<Record<ErrorCode, HttpError>> = {
  ...DOCUMENTED_ERRORS,
  MALFORMED_URL: { status: 403, type: 'IllegalArgumentException' },
  BODY_TOO_LARGE: { status: 413, type: 'BadRequestException' },
  ARCHIVE_INVALID: {
    status: 500,
    type: 'InternalServerException',
    message: (error) => `Failed to save model: ${error.details.url}`,
  },
  DOWNLOAD_FAILED: {
    status: 400,
    type: 'DownloadArchiveException',
    message: (error) => `Failed to download archive from: ${error.details.url}`,
  },
  HOST_NOT_ALLOWED: { status: 403, type: 'IllegalArgumentException' },
  CROSS_SITE_REQUEST: { status: 403, type: 'IllegalArgumentException' },
  HANDLER_NOT_FOUND: startFailed,
  HANDLER_IMPORT_FAILED: startFailed,
  HANDLER_INITIALIZE_FAILED: startFailed,
  MODEL_FILE_NOT_FOUND: startFailed,
  WORKER_OUT_OF_MEMORY: { ...startFailed, status: 507 },
  WORKER_CRASHED_AT_START: { ...startFailed, status: (error) => (error.details.exitCode === 137 ? 507 : 500) },
  STARTUP_TIMEOUT: startFailed,
  NO_WORKER: noWorker,
  QUEUE_FULL: noWorker,
  RESPONSE_TIMEOUT: { status: 500, type: 'InternalServerException', message: workerDied },
  WORKER_DIED: {
    status: (error) => (error.details.exitCode === 137 ? 507 : 500),
    type: 'InternalServerException',
    message: workerDied,
  },
  PREDICTION_FAILED: { status: 503, type: 'InternalServerException' },
  HANDLER_ERROR: {
    status: (error) => (error.details.status === 413 ? 507 : handlerStatus(error)),
    type: 'InternalServerException',
  },
  OUTPUT_NOT_A_LIST: { status: 503, type: 'InternalServerException', message: () => 'Invalid model predict output' },
  OUTPUT_WRONG_LENGTH: {
    status: 503,
    type: 'InternalServerException',
    message: () => 'number of batch response mismatched',
  },
  OUTPUT_NOT_SERIALISABLE: {
    status: 503,
    type: 'InternalServerException',
    message: () => 'Unsupported model output data type.',
  },
};

/** Reason phrases as TorchServe's HTTP library prints them: it names the class of a status that it does not know. */
function nettyReason(status: number): string {
  if (status === 413) return 'Request Entity Too Large';
  const known = status === 418 ? undefined : STATUS_CODES[status];
  const classes = ['Informational', 'Success', 'Redirection', 'Client Error', 'Server Error'];
  return known ?? `${classes[Math.floor(status / 100) - 1] ?? 'Unknown Status'} (${status})`;
}

/** A handler's own status passes through; one that HTTP cannot carry becomes 500. */
function handlerStatus(error: ServingError): number {
  const status = error.details.status ?? 500;
  return status >= 200 && status <= 999 ? status : 500;
}

function failedToStart({ details }: ServingError): string {
  return `Failed to start workers for model ${details.model} version: ${details.version ?? 'null'}`;
}

function noWorkerText({ details }: ServingError): string {
  const version = details.version === undefined ? '' : ` Version ${details.version}"`;
  return (
    `Model "${details.model}"${version} has no worker to serve inference request. Please use scale workers API to add workers. ` +
    'If this is a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize'
  );
}

function describeDocumented(description: VersionDescription): object {
  const { spec } = description;
  return {
    modelName: spec.name,
    modelVersion: spec.version,
    modelUrl: spec.url,
    engine: { python: 'Torch', onnx: 'ONNX Runtime', node: 'Node' }[spec.runtime],
    runtime: spec.runtime,
    ...sharedDescription(description),
    workers: description.workers.map(describeWorkerDocumented),
    jobQueueStatus: queueStatus(description),
  };
}

function describeTorchserve(description: VersionDescription): object {
  const { spec } = description;
  return {
    modelName: spec.name,
    modelVersion: spec.version,
    modelUrl: spec.url,
    runtime: spec.runtime,
    ...sharedDescription(description),
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

function sharedDescription({ spec, minWorkers, maxWorkers }: VersionDescription): object {
  return {
    minWorkers,
    maxWorkers,
    batchSize: spec.batchSize,
    maxBatchDelay: spec.maxBatchDelayMs,
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

const documented: Dialect = {
  name: 'documented',
  defaults: {
    enableModelApi: true,
    maxRequestBytes: 104_857_600,
    maxResponseBytes: 104_857_600,
    isRegistrationSynchronous: false,
  },
  precedence: 'request-first',
  isRuntimeCaseSensitive: false,
  parameters: { policy: 'strict', isQueryReadWithBody: true, maxPageSize: 1000 },
  onScaleFailure: 'restore',
  health: 'every-version',
  answers: {
    registered: ({ name }) => ({ status: 200, text: `Model "${name}" registered` }),
    registeredWithWorkers: () => ({ status: 200, text: 'Worker scaled' }),
    scaling: () => ({ status: 202, text: 'Worker updated' }),
    scaled: () => ({ status: 200, text: 'Worker scaled' }),
    describe: describeDocumented,
  },
  errors: DOCUMENTED_ERRORS,
  http: {
    predictionReason: undefined,
    reasonOf: (status) => STATUS_CODES[status] ?? '',
    defaultContentType: {
      json: 'application/json',
      text: 'text/plain; charset=utf-8',
      binary: 'application/octet-stream',
    },
    extraHeaders: [],
    isClosedOnError: false,
    isTooLargeBare: false,
    isClientRequestIdKept: true,
  },
};

const torchserve: Dialect = {
  name: 'torchserve',
  defaults: {
    enableModelApi: false,
    maxRequestBytes: 6_553_500,
    maxResponseBytes: 6_553_500,
    isRegistrationSynchronous: true,
  },
  precedence: 'archive-first',
  isRuntimeCaseSensitive: true,
  parameters: { policy: 'lenient', isQueryReadWithBody: false, maxPageSize: 100 },
  onScaleFailure: 'keep',
  health: 'default-versions-after-retry-window',
  answers: {
    registered: ({ name, version }) => ({
      status: 200,
      text: `Model "${name}" Version: ${version} registered with 0 initial workers. Use scale workers API to add workers for the model.`,
    }),
    registeredWithWorkers: ({ name, version, minWorkers }) => ({
      status: 200,
      text: `Model "${name}" Version: ${version} registered with ${minWorkers} initial workers`,
    }),
    scaling: () => ({ status: 202, text: 'Processing worker updates...' }),
    scaled: ({ name, version, minWorkers, isVersionNamed }) => ({
      status: 200,
      text: `Workers scaled to ${minWorkers} for model: ${name}${isVersionNamed ? `, version: ${version}` : ''}`,
    }),
    describe: describeTorchserve,
  },
  errors: TORCHSERVE_ERRORS,
  http: {
    predictionReason: '',
    reasonOf: nettyReason,
    defaultContentType: { json: undefined, text: undefined, binary: undefined },
    extraHeaders: [
      'Pragma',
      'no-cache',
      'Cache-Control',
      'no-cache; no-store, must-revalidate, private',
      'Expires',
      'Thu, 01 Jan 1970 00:00:00 UTC',
    ],
    isClosedOnError: true,
    isTooLargeBare: true,
    isClientRequestIdKept: false,
  },
};

/** The dialects by the name that `api_dialect` gives them. */
export const DIALECTS: Readonly<Record<DialectName, Dialect>> = { documented, torchserve };
