// A batch of jobs as the frame that a worker gets: who asked what in the message, the bytes of all inputs in the parts, uncopied.
import type { Job } from '../core/job.ts';
import type { Part } from './frame.ts';
import type { JobMessage, PredictMessage } from './messages.ts';

export interface PredictFrame {
  readonly message: PredictMessage;
  /** One for each input, in the order of jobs and inputs. */
  readonly parts: readonly Part[];
  readonly partLengths: readonly number[];
}

export function predictFrame(batch: readonly Job[]): PredictFrame {
  const jobs: JobMessage[] = [];
  const parts: Part[] = [];
  const partLengths: number[] = [];
  for (const { id, request } of batch) {
    const { requestId, kind, headers, inputs } = request;
    const named = inputs.map(({ name, contentType }) => ({ name, contentType }));
    jobs.push({ id, requestId, kind, headers, inputs: named });
    for (const input of inputs) {
      parts.push(input.chunks);
      partLengths.push(input.sizeBytes);
    }
  }
  return { message: { type: 'predict', jobs }, parts, partLengths };
}
