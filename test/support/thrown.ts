// What a call failed with, as the code that a test compares.
import { type ErrorCode, ServingError } from '../../src/core/errors.ts';

/** The ServingError that a call throws. Fails the test when it throws nothing or something else. */
export function servingErrorOf(call: () => unknown): ServingError {
  try {
    call();
  } catch (error) {
    if (error instanceof ServingError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

export function codeOf(call: () => unknown): ErrorCode {
  return servingErrorOf(call).code;
}

/** The ServingError that a promise rejects with. */
export async function rejectionOf(promise: Promise<unknown>): Promise<ServingError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ServingError) return error;
    throw error;
  }
  throw new Error('the promise was fulfilled');
}
