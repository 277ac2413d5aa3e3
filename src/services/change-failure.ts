// Failures of changes to a version, told apart and worded for the one who asked.
import { type ErrorCode, ServingError } from '../core/errors.ts';

export function isCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof ServingError && error.code === code;
}

/** Waits for a change; an error of it names the model, and the version where the caller named it. */
export async function naming<T>(change: Promise<T>, model: string, version: string | undefined): Promise<T> {
  try {
    return await change;
  } catch (error) {
    throw withModel(error, model, version);
  }
}

/** The same error, naming the model, and the version where the caller named it. */
export function withModel(error: unknown, model: string, version: string | undefined): unknown {
  if (!(error instanceof ServingError)) return error;
  const details = { ...error.details, model, ...(version === undefined ? {} : { version }) };
  return new ServingError(error.code, error.message, details, error);
}
