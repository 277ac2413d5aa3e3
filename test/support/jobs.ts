// Requests and parts of answers, as short as a test can say them.

import { ServingError } from '../../src/core/errors.ts';
import type { JobRequest, OutputPart } from '../../src/core/job.ts';
import { DEFAULT_PRIORITY } from '../../src/core/priority.ts';

/** A request with an empty body; `over` says what matters. */
export function jobRequest(over: Partial<JobRequest> = {}): JobRequest {
  return {
    requestId: 'r',
    kind: 'predict',
    priority: DEFAULT_PRIORITY,
    headers: [],
    inputs: [],
    requestedVersion: undefined,
    ...over,
  };
}

/** A part of an answer with this text. */
export function textPart(text: string, over: Partial<OutputPart> = {}): OutputPart {
  const bytes = Buffer.from(text);
  return {
    chunks: [bytes],
    sizeBytes: bytes.length,
    isLast: true,
    encoding: 'text',
    status: 200,
    reason: '',
    headers: [],
    ...over,
  };
}

/** What a job ends with that a worker had begun with when it died. */
export const DEATH = new ServingError('WORKER_DIED', 'The worker died.', { retryAfterSec: 1 });

/** The text of a part. */
export function textOf(part: OutputPart): string {
  return Buffer.concat(part.chunks).toString('utf8');
}
