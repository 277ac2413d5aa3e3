// What a request fails with, whoever computed it: errors to throw while it is read and while its answer is made, and the failures that they
// become. What an author's own code throws is handler-failure.ts's, which adds to this.
import type { RequestFailure } from './runtime-model.ts';

/** `message` says which input, what was expected and what came. */
export class RequestError extends Error {
  readonly status: number;

  constructor(message: string, status = 400) {
    super(message);
    this.name = 'RequestError';
    this.status = status;
  }
}

/** An output that cannot be sent, or not in the form the client asked for. Its message is for the client. */
export class OutputError extends Error {
  readonly code: RequestFailure['code'];

  constructor(message: string, code: RequestFailure['code'] = 'OUTPUT_NOT_SERIALISABLE') {
    super(message);
    this.name = 'OutputError';
    this.code = code;
  }
}

/** What a request fails with when this was thrown for it alone. */
export function failureOf(error: unknown): RequestFailure {
  if (error instanceof RequestError) return { code: 'HANDLER_ERROR', message: error.message, status: error.status };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof OutputError) return { code: error.code, message };
  return { code: isOutOfMemory(message) ? 'OUT_OF_RESOURCES' : 'PREDICTION_FAILED', message };
}

/** Whether an error's text says that memory was the reason. */
export function isOutOfMemory(message: string): boolean {
  return /out of memory|not enough memory|bad_alloc|(?:failed to|cannot) allocate|allocation failed/i.test(message);
}
