// An error on its way out of a thread: messages carry no classes, so it travels as its parts and is put together again.
import { type ErrorCode, type ErrorDetails, ServingError } from '../core/errors.ts';

export interface ErrorParts {
  /** Undefined for what is no ServingError. */
  readonly code: ErrorCode | undefined;
  readonly message: string;
  readonly details: ErrorDetails;
  /** The system's code, undefined when it has none. */
  readonly systemCode: string | undefined;
}

export function errorParts(thrown: unknown): ErrorParts {
  const { code, details } = thrown instanceof ServingError ? thrown : { code: undefined, details: {} };
  const systemCode = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
  return { code, details, systemCode, message: thrown instanceof Error ? thrown.message : String(thrown) };
}

/** The error as it was thrown, but for its trace. */
export function errorOf({ code, message, details, systemCode }: ErrorParts): Error {
  if (code !== undefined) return new ServingError(code, message, details);
  return Object.assign(new Error(message), systemCode === undefined ? {} : { code: systemCode });
}
