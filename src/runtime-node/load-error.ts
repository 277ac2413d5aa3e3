// Why a model could not be loaded, in the words that the server shows to whoever registered it. Thrown by whatever loads a model in the
// Node worker; the worker's loop turns it into the protocol's `error` message.
import type { ErrorCode } from '../core/errors.ts';

/** The codes that a failed load may have. */
export type LoadErrorCode = Extract<
  ErrorCode,
  | 'HANDLER_NOT_FOUND'
  | 'HANDLER_IMPORT_FAILED'
  | 'HANDLER_INITIALIZE_FAILED'
  | 'MODEL_FILE_NOT_FOUND'
  | 'WORKER_OUT_OF_MEMORY'
>;

/** The end of a load. `trace` is empty where a stack would tell nothing. */
export class LoadError extends Error {
  readonly code: LoadErrorCode;
  readonly trace: string;

  constructor(code: LoadErrorCode, message: string, trace = '') {
    super(message);
    this.name = 'LoadError';
    this.code = code;
    this.trace = trace;
  }
}
