// The catalogue of what can go wrong, in our own words. Transports translate codes (config/dialect.ts holds the HTTP tables);
// nothing in here knows a status number. docs/reference/errors.md is tested against this list.

/** Every failure that a caller can meet, with what it means. */
export const ERROR_CODES = {
  INVALID_PARAMETER: 'a parameter has a value that cannot be used',
  UNKNOWN_PARAMETER: 'a parameter is not known to this operation',
  MISSING_PARAMETER: 'a required parameter is absent',
  INVALID_RUNTIME: 'the runtime named for a model is not one that the server has',
  INVALID_BODY: 'the request body does not have the form its content type promises',
  BODY_ENCODED: 'the request body has a Content-Encoding that is not read',
  MALFORMED_URL: 'the percent-encoding of the request URL is broken',
  BODY_TOO_LARGE: 'the request body is larger than max_request_size',
  MALFORMED_REQUEST: 'what arrived is not valid HTTP',
  REQUEST_TOO_SLOW: 'the client sends its request more slowly than the server waits for it',
  URL_TOO_LONG: 'the URL of the request is longer than the server reads',
  HEADERS_TOO_LARGE: 'the request has more headers, or longer ones, than the server reads',
  TOO_MANY_CONNECTIONS: 'the listener has as many connections as it may hold, and all of them are busy',
  BODY_NOT_STORED: 'a request body that is too large for memory could not be written to a file',
  BUFFER_FULL: 'the request bodies in memory have reached max_buffered_size, or the share of one model in it',
  RESOURCE_NOT_FOUND: 'no route has this path',
  METHOD_NOT_ALLOWED: 'the path exists, but not with this method',
  HOST_NOT_ALLOWED: 'the Host header does not name this machine while the listener is on loopback',
  CROSS_SITE_REQUEST: 'a web page of another site tried to reach the management API',
  MODEL_NOT_FOUND: 'no model of this name is registered',
  MODEL_VERSION_NOT_FOUND: 'the model has no such version',
  MODEL_ALREADY_REGISTERED: 'this version of the model is registered already',
  DEFAULT_VERSION_IN_USE: 'the default version cannot go while other versions exist',
  MODEL_STORE_MISSING: 'no model store is configured',
  ARCHIVE_NOT_FOUND: 'the model store has no archive of this name',
  ARCHIVE_PATH_FORBIDDEN: 'the archive would lie outside the model store',
  ARCHIVE_INVALID: 'the archive is corrupt, unsafe or too large',
  MANIFEST_INVALID: 'MANIFEST.json or model-config.yaml has a field that cannot be used',
  URL_NOT_ALLOWED: 'the URL is not one from which the server may fetch archives',
  DOWNLOAD_FAILED: 'the archive could not be fetched from its URL',
  DOWNLOAD_NAME_TAKEN: 'the model store has another file of the name that a download would get',
  STORAGE_FULL: 'the disk on which the server unpacks archives is full',
  CHECKSUM_MISMATCH: 'the archive does not have the SHA-256 that the registration asks for',
  ENVIRONMENT_FAILED: 'the Python packages that the model asks for could not be installed',
  WORKER_NOT_FOUND: 'the version has no worker of this id',
  SCALE_SUPERSEDED: 'a later request changed the workers of this version before this one was done',
  HANDLER_NOT_FOUND: 'the worker found no such handler',
  HANDLER_IMPORT_FAILED: 'the handler module could not be imported',
  HANDLER_INITIALIZE_FAILED: 'the handler failed while it loaded the model',
  MODEL_FILE_NOT_FOUND: 'a file that the model needs is not in the archive',
  WORKER_OUT_OF_MEMORY: 'the worker ran out of memory while it loaded the model',
  WORKER_CRASHED_AT_START: 'the worker process ended before it was ready',
  WARMUP_FAILED: 'a warm-up request of the model failed',
  STARTUP_TIMEOUT: 'the worker was not ready within the start-up timeout',
  NO_WORKER: 'the model has no worker, and none is wanted',
  MODEL_UNAVAILABLE: 'the workers of the model cannot start at present',
  MODEL_STOPPING: 'the version is being unregistered or scaled to zero',
  SERVER_STOPPING: 'the server is shutting down',
  QUEUE_FULL: 'the queue of the model is full',
  WAIT_TOO_LONG: 'at the present rate the answer would come later than the request allows',
  NO_IDLE_WORKER: 'every worker of the model is busy, and its requests may not wait',
  SEQUENCE_LIMIT: 'the model takes no further sequence, or no further request of this one, at present',
  SEQUENCE_CLOSED: 'the sequence is over, and its state is gone',
  DEADLINE_EXCEEDED: 'the time that the request allowed is over',
  CANCELLED: 'the client has gone',
  RESPONSE_TIMEOUT: 'the worker did not answer within the response timeout',
  WORKER_DIED: 'the worker died while it computed the request',
  READER_TOO_SLOW: 'the client took its stream so slowly that too much of it was waiting',
  PREDICTION_FAILED: 'the handler raised an exception',
  HANDLER_ERROR: 'the handler refused the request with a status of its own',
  OUT_OF_RESOURCES: 'the handler ran out of memory',
  OUTPUT_NOT_A_LIST: 'the handler returned something other than a list',
  OUTPUT_WRONG_LENGTH: 'the handler returned a list of another length than its batch',
  OUTPUT_NOT_SERIALISABLE: 'the handler returned something that cannot be sent',
  OUTPUT_HEADER_INVALID: 'the handler set a header that HTTP cannot carry',
  RESPONSE_TOO_LARGE: 'the answer is larger than max_response_size',
  INTERNAL: 'a defect of the server',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Facts about one failure, for texts and tables; which are present depends on the code. */
export interface ErrorDetails {
  readonly model?: string;
  /** Present only when the caller named a version. */
  readonly version?: string;
  readonly url?: string;
  readonly parameter?: string;
  readonly value?: string;
  /** A handler's own status, for HANDLER_ERROR. */
  readonly status?: number;
  /** The exit code of a worker that died; 137 for a SIGKILL that was not ours. */
  readonly exitCode?: number;
  /** What would be possible instead of the method, for METHOD_NOT_ALLOWED. */
  readonly methods?: readonly string[];
  /** Whole seconds after which trying again makes sense. */
  readonly retryAfterSec?: number;
  /** The last lines of a worker's trace, for the log and for describe. */
  readonly trace?: string;
  /** What to do; the end of the message, for those who show it on a line of its own. */
  readonly hint?: string;
}

/** The one error that crosses layers. `message` says what happened and what to do, and may leave the process. */
export class ServingError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ServingError';
    this.code = code;
    this.details = details;
  }
}

/** Turns anything thrown into a ServingError. What is unknown becomes INTERNAL, and its own text stays inside. */
export function toServingError(thrown: unknown): ServingError {
  if (thrown instanceof ServingError) return thrown;
  return new ServingError('INTERNAL', 'The server failed to handle the request; its log says why.', {}, thrown);
}

/** Whether a value (a worker's word, for instance) is one of the catalogue's codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERROR_CODES, value);
}
