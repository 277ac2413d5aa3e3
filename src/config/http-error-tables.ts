// How each error code appears over HTTP: one table for each dialect, complete by their types.
import type { ErrorCode, ServingError } from '../core/errors.ts';

/** How one error code appears over HTTP. */
export interface HttpError {
  readonly status: number | ((error: ServingError) => number);
  /** The word in `type`. */
  readonly type: string | ((error: ServingError) => string);
  /** The dialect's own text; absent for the error's own message. */
  readonly message?: (error: ServingError) => string;
}

const RESOURCE_TEXT = 'Requested resource is not found, please refer to API document.';
const METHOD_TEXT = 'Requested method is not allowed, please refer to API document.';

/** How much of a trace an answer shows; describe and the log have more. */
const TRACE_LINES = 10;

export const DOCUMENTED_ERRORS: Readonly<Record<ErrorCode, HttpError>> = {
  INVALID_PARAMETER: { status: 400, type: 'BadRequestException' },
  UNKNOWN_PARAMETER: { status: 400, type: 'BadRequestException' },
  MISSING_PARAMETER: { status: 400, type: 'BadRequestException' },
  INVALID_RUNTIME: { status: 400, type: 'BadRequestException' },
  INVALID_BODY: { status: 400, type: 'BadRequestException' },
  BODY_ENCODED: { status: 415, type: 'UnsupportedMediaTypeException' },
  MALFORMED_URL: { status: 400, type: 'BadRequestException' },
  BODY_TOO_LARGE: { status: 413, type: 'PayloadTooLargeException' },
  MALFORMED_REQUEST: { status: 400, type: 'BadRequestException' },
  REQUEST_TOO_SLOW: { status: 408, type: 'RequestTimeoutException' },
  URL_TOO_LONG: { status: 414, type: 'BadRequestException' },
  HEADERS_TOO_LARGE: { status: 431, type: 'BadRequestException' },
  TOO_MANY_CONNECTIONS: { status: 503, type: 'ServiceUnavailableException' },
  BODY_NOT_STORED: { status: 507, type: 'InsufficientStorageException' },
  BUFFER_FULL: { status: 503, type: 'ServiceUnavailableException' },
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
  URL_NOT_ALLOWED: { status: 403, type: 'ForbiddenException' },
  DOWNLOAD_FAILED: { status: 400, type: 'DownloadArchiveException' },
  DOWNLOAD_NAME_TAKEN: { status: 409, type: 'ConflictStatusException' },
  STORAGE_FULL: { status: 507, type: 'InsufficientStorageException' },
  CHECKSUM_MISMATCH: { status: 400, type: 'InvalidModelException' },
  ENVIRONMENT_FAILED: { status: 400, type: 'ModelException' },
  WORKER_NOT_FOUND: { status: 404, type: 'WorkerNotFoundException' },
  SCALE_SUPERSEDED: { status: 409, type: 'ConflictStatusException' },
  HANDLER_NOT_FOUND: { status: 500, type: 'HandlerNotFoundException', message: withTrace },
  HANDLER_IMPORT_FAILED: { status: 500, type: 'HandlerImportException', message: withTrace },
  HANDLER_INITIALIZE_FAILED: { status: 500, type: 'HandlerInitializeException', message: withTrace },
  MODEL_FILE_NOT_FOUND: { status: 500, type: 'ModelFileNotFoundException', message: withTrace },
  WORKER_OUT_OF_MEMORY: { status: 507, type: 'OutOfMemoryException', message: withTrace },
  WORKER_CRASHED_AT_START: { status: 500, type: 'WorkerCrashException', message: withTrace },
  WARMUP_FAILED: { status: 500, type: 'WarmupException', message: withTrace },
  STARTUP_TIMEOUT: { status: 500, type: 'StartupTimeoutException', message: withTrace },
  NO_WORKER: { status: 503, type: 'ServiceUnavailableException' },
  MODEL_UNAVAILABLE: { status: 503, type: 'ServiceUnavailableException' },
  MODEL_STOPPING: { status: 503, type: 'ServiceUnavailableException' },
  SERVER_STOPPING: { status: 503, type: 'ServiceUnavailableException' },
  QUEUE_FULL: { status: 503, type: 'ServiceUnavailableException' },
  WAIT_TOO_LONG: { status: 503, type: 'ServiceUnavailableException' },
  NO_IDLE_WORKER: { status: 503, type: 'ServiceUnavailableException' },
  SEQUENCE_LIMIT: { status: 503, type: 'ServiceUnavailableException' },
  SEQUENCE_CLOSED: { status: 409, type: 'ConflictStatusException' },
  DEADLINE_EXCEEDED: { status: 504, type: 'RequestTimeoutException' },
  CANCELLED: { status: 499, type: 'RequestTimeoutException' },
  RESPONSE_TIMEOUT: { status: 504, type: 'RequestTimeoutException' },
  WORKER_DIED: { status: 503, type: 'ServiceUnavailableException' },
  READER_TOO_SLOW: { status: 503, type: 'ServiceUnavailableException' },
  PREDICTION_FAILED: { status: 500, type: 'InternalServerException' },
  HANDLER_ERROR: {
    status: handlerStatus,
    type: (error) => (handlerStatus(error) < 500 ? 'BadRequestException' : 'InternalServerException'),
  },
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

export const TORCHSERVE_ERRORS: Readonly<Record<ErrorCode, HttpError>> = {
  ...DOCUMENTED_ERRORS,
  MALFORMED_URL: { status: 403, type: 'IllegalArgumentException' },
  BODY_TOO_LARGE: { status: 413, type: 'BadRequestException' },
  INVALID_RUNTIME: {
    status: 400,
    type: 'BadRequestException',
    message: (error) => `Invalid RuntimeType value: ${error.details.value}`,
  },
  MANIFEST_INVALID: {
    status: 400,
    type: 'InvalidModelException',
    message: ({ message, details }) => (details.parameter === 'model_name' ? 'Model name is not defined.' : message),
  },
  ARCHIVE_INVALID: {
    status: 500,
    type: 'InternalServerException',
    message: failedToSave,
  },
  STORAGE_FULL: { status: 500, type: 'InternalServerException', message: failedToSave },
  DOWNLOAD_FAILED: {
    status: 400,
    type: 'DownloadArchiveException',
    message: (error) => `Failed to download archive from: ${error.details.url}`,
  },
  URL_NOT_ALLOWED: {
    status: 404,
    type: 'ModelNotFoundException',
    message: (error) => `Given URL ${error.details.url} does not match any allowed URL(s)`,
  },
  DOWNLOAD_NAME_TAKEN: {
    status: 500,
    type: 'InternalServerException',
    message: (error) => `Model file already exists ${error.details.value}`,
  },
  ENVIRONMENT_FAILED: {
    status: 400,
    type: 'ModelException',
    message: ({ details }) =>
      details.value === 'venv'
        ? `Virtual environment creation failed for model ${details.model}`
        : `Custom pip package installation failed for model ${details.model}`,
  },
  HOST_NOT_ALLOWED: { status: 403, type: 'IllegalArgumentException' },
  CROSS_SITE_REQUEST: { status: 403, type: 'IllegalArgumentException' },
  HANDLER_NOT_FOUND: startFailed,
  HANDLER_IMPORT_FAILED: startFailed,
  HANDLER_INITIALIZE_FAILED: startFailed,
  MODEL_FILE_NOT_FOUND: startFailed,
  WORKER_OUT_OF_MEMORY: { ...startFailed, status: 507 },
  WORKER_CRASHED_AT_START: { ...startFailed, status: (error) => (error.details.exitCode === 137 ? 507 : 500) },
  WARMUP_FAILED: startFailed,
  STARTUP_TIMEOUT: startFailed,
  NO_WORKER: noWorker,
  QUEUE_FULL: noWorker,
  NO_IDLE_WORKER: noWorker,
  SEQUENCE_LIMIT: noWorker,
  SEQUENCE_CLOSED: noWorker,
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

function failedToSave({ details }: ServingError): string {
  return `Failed to save model: ${details.url}`;
}

/** A handler's own status passes through; one that HTTP cannot carry becomes 500. */
function handlerStatus(error: ServingError): number {
  const status = error.details.status ?? 500;
  return status >= 200 && status <= 999 ? status : 500;
}

/** Why a worker could not start, with the end of its trace: the last lines tell most. */
function withTrace({ message, details: { trace = '' } }: ServingError): string {
  const lastLines = trace.split('\n').slice(-TRACE_LINES).join('\n').trim();
  return lastLines === '' ? message : `${message}\n${lastLines}`;
}

function failedToStart({ details }: ServingError): string {
  return `Failed to start workers for model ${details.model} version: ${details.version ?? 'null'}`;
}

function noWorkerText({ details }: ServingError): string {
  if (details.parameter === 'customized')
    return `Model "${details.model}" has no worker to serve describe request. Please use scale workers API to add workers.`;
  const version = details.version === undefined ? '' : ` Version ${details.version}"`;
  return (
    `Model "${details.model}"${version} has no worker to serve inference request. Please use scale workers API to add workers. ` +
    'If this is a sequence inference, please check if it is closed, or expired; or exceeds maxSequenceJobQueueSize'
  );
}
