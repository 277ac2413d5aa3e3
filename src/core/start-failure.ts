// Why a worker could not start: the error as callers get it, and the record that describe shows of it. The advice in both comes from
// start-hint.
import { type ErrorCode, ServingError } from './errors.ts';
import type { RuntimeName } from './model-spec.ts';
import { startHint } from './start-hint.ts';

/** One start that failed. */
export interface StartFailure {
  /** The worker's id. */
  readonly worker: string;
  readonly code: ErrorCode;
  /** What happened, without the hint. */
  readonly message: string;
  /** What to do; undefined where the message says it, or nothing is known. */
  readonly hint: string | undefined;
  /** The last lines of the trace, or of what the process wrote; "" where there are none. */
  readonly trace: string;
  /** Wall-clock time. */
  readonly at: Date;
}

/** The error with a hint behind its message. */
export function withStartHint(failure: ServingError, runtime: RuntimeName): ServingError {
  const hint = startHint(failure, runtime);
  if (hint === undefined) return failure;
  return new ServingError(failure.code, `${failure.message} ${hint}`, { ...failure.details, hint }, failure.cause);
}

/** The record of an error that `withStartHint` has made. */
export function describeStartFailure({ code, message, details }: ServingError, worker: string, at: Date): StartFailure {
  const { hint, trace = '' } = details;
  const whatHappened = hint === undefined ? message : message.slice(0, -hint.length - 1);
  return { worker, code, message: whatHappened, hint, trace, at };
}
