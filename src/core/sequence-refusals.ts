// Why a request of a sequence is not taken, or gets no answer any more, in the words for whoever asked.
import { ServingError } from './errors.ts';
import type { Job, JobRequest } from './job.ts';

/** Why a sequence is over, as the end of a sentence about it. */
export type SequenceEnd = 'ended' | 'idle' | 'too old' | 'worker gone';

const REASONS: Readonly<Record<SequenceEnd, string>> = {
  ended: 'it was ended',
  idle: 'it was idle for longer than sequenceMaxIdleMSec allows',
  'too old': 'it was open for as long as sequenceTimeoutMSec allows',
  'worker gone': 'the worker that held it has gone, and its state with it',
};

/** The sequence is over; `startName` is the header that begins a new one. */
export function sequenceClosed(
  model: string,
  { request }: Job,
  id: string,
  why: SequenceEnd,
  startName: string,
): ServingError {
  const message = `Sequence ${JSON.stringify(id)} of model ${model} is over: ${REASONS[why]}. Begin a new one with the header ${startName}: true.`;
  return new ServingError('SEQUENCE_CLOSED', message, detailsOf(model, request));
}

/** A sequence that is about to end takes no more requests. */
export function sequenceEnding(model: string, { request }: Job, id: string): ServingError {
  const message = `Sequence ${JSON.stringify(id)} of model ${model} is being ended by an earlier request. Wait for its answer, then begin a new one.`;
  return new ServingError('SEQUENCE_CLOSED', message, detailsOf(model, request));
}

export function tooManySequences(model: string, { request }: Job, open: number): ServingError {
  const message = `Model ${model} has ${open} sequences open, which is all that maxNumSequence allows. Try again when one has ended, or raise maxNumSequence.`;
  return new ServingError('SEQUENCE_LIMIT', message, { ...detailsOf(model, request), retryAfterSec: 1 });
}

export function tooManyInSequence(model: string, { request }: Job, id: string, waiting: number): ServingError {
  const message = `Sequence ${JSON.stringify(id)} of model ${model} has ${waiting} requests waiting, which is all that maxSequenceJobQueueSize allows. Wait for an answer before you send the next.`;
  return new ServingError('SEQUENCE_LIMIT', message, { ...detailsOf(model, request), retryAfterSec: 1 });
}

function detailsOf(model: string, { requestedVersion }: JobRequest): { model: string; version?: string } {
  return requestedVersion === undefined ? { model } : { model, version: requestedVersion };
}
