// Which failed requests the log tells of, so that the id that a client reports finds what happened.
import type { ErrorCode, ServingError } from '../core/errors.ts';
import type { Log } from '../telemetry/logger.ts';

/** Failures of handlers, workers and disks: those that somebody has to look into. Refusals under load are counted instead. */
const LOGGED_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'BODY_NOT_STORED',
  'RESPONSE_TIMEOUT',
  'WORKER_DIED',
  'PREDICTION_FAILED',
  'OUT_OF_RESOURCES',
  'OUTPUT_NOT_A_LIST',
  'OUTPUT_WRONG_LENGTH',
  'OUTPUT_NOT_SERIALISABLE',
  'OUTPUT_HEADER_INVALID',
  'RESPONSE_TOO_LARGE',
]);

export function logFailure(log: Log, requestId: string, { code, message, details, cause }: ServingError): void {
  if (code === 'INTERNAL') log.error({ requestId, err: cause }, 'request failed by a defect of the server');
  else if (LOGGED_CODES.has(code)) log.warn({ requestId, model: details.model, code }, message);
}
