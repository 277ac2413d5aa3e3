import { describe, expect, it } from 'vitest';
import { type ErrorCode, ServingError } from '../../../src/core/errors.ts';
import { logFailure } from '../../../src/http/failure-log.ts';
import { createLog } from '../../../src/telemetry/logger.ts';

function linesFor(code: ErrorCode): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ write: (text) => lines.push(JSON.parse(text) as Record<string, unknown>) });
  logFailure(log, 'id-1', new ServingError(code, 'what happened', { model: 'm' }, new Error('deep inside')));
  return lines;
}

describe('the log of failed requests', () => {
  it('tells of failures of handlers and workers by the id of the request', () => {
    const line = { level: 'warn', requestId: 'id-1', model: 'm', code: 'WORKER_DIED', msg: 'what happened' };
    expect(linesFor('WORKER_DIED')).toMatchObject([line]);
    expect(linesFor('PREDICTION_FAILED')).toHaveLength(1);
  });

  it('tells the cause of a defect of the server', () => {
    expect(linesFor('INTERNAL')).toMatchObject([
      { level: 'error', requestId: 'id-1', err: { message: 'deep inside' } },
    ]);
  });

  it.each(['QUEUE_FULL', 'NO_WORKER', 'MODEL_NOT_FOUND', 'CANCELLED'] as const)('leaves %s to the metrics', (code) => {
    expect(linesFor(code)).toEqual([]);
  });
});
