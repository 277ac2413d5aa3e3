// Why a request that a worker had begun with has no answer, in the words for whoever asked.
import { ServingError } from '../core/errors.ts';
import { describeExit, shellExitCode, type WorkerExit } from '../core/worker-state.ts';
import type { ErrorMessage } from '../protocol/messages.ts';

/** The worker's process ended. */
export function workerDied(model: string, exit: WorkerExit): ServingError {
  const what = exit.memory === 'out' ? 'ran out of memory' : 'died';
  const message = `The worker of model ${model} ${what} while it computed the request (${describeExit(exit)}); the server replaces it.`;
  return new ServingError('WORKER_DIED', message, { model, exitCode: shellExitCode(exit), retryAfterSec: 1 });
}

/** The worker itself says why: it could not load the model, or the handler failed. */
export function reportedError(model: string, { code, message, status, trace }: ErrorMessage): ServingError {
  const details = { ...(status !== undefined && { status }), ...(trace !== undefined && { trace }) };
  return new ServingError(code, message, { model, ...details });
}

/** The worker gave no sign of life for as long as the model's response timeout. */
export function workerOverslept(model: string, timeoutSec: number): ServingError {
  return new ServingError('RESPONSE_TIMEOUT', `Prediction timed out after ${timeoutSec} s`, { model });
}
