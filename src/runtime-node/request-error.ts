// A request that the client has to change: what does not fit, as an error to throw while it is read. It becomes that request's failure only.
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

/** An output that cannot be sent in the form the client asked for. */
export class OutputError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OutputError';
  }
}

/** What a request fails with when this was thrown for it alone. */
export function failureOf(error: unknown): RequestFailure {
  if (error instanceof RequestError) return { code: 'HANDLER_ERROR', message: error.message, status: error.status };
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof OutputError) return { code: 'OUTPUT_NOT_SERIALISABLE', message };
  return { code: isOutOfMemory(message) ? 'OUT_OF_RESOURCES' : 'PREDICTION_FAILED', message };
}

/** Whether an error's text says that memory was the reason. */
export function isOutOfMemory(message: string): boolean {
  return /out of memory|bad_alloc|failed to allocate|array buffer allocation failed/i.test(message);
}
