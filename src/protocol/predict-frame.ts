// A batch of jobs as the frame that a worker gets: who asked what in the message, the bytes of the inputs in the parts, uncopied. What is in
// a file stays there: the message says where.
import type { Job, JobInput } from '../core/job.ts';
import type { Part } from './frame.ts';
import type { InputMessage, JobMessage, PredictMessage } from './messages.ts';

export interface PredictFrame {
  readonly message: PredictMessage;
  /** One for each input that is in memory, in the order of jobs and inputs. */
  readonly parts: readonly Part[];
  readonly partLengths: readonly number[];
}

export function predictFrame(batch: readonly Job[]): PredictFrame {
  const jobs: JobMessage[] = [];
  const parts: Part[] = [];
  const partLengths: number[] = [];
  for (const { id, request } of batch) {
    const { requestId, kind, headers, inputs } = request;
    jobs.push({ id, requestId, kind, headers, inputs: inputs.map(described) });
    for (const input of inputs) {
      if (input.stored !== undefined) continue;
      parts.push(input.chunks);
      partLengths.push(input.sizeBytes);
    }
  }
  return { message: { type: 'predict', jobs }, parts, partLengths };
}

function described({ name, contentType, sizeBytes, stored }: JobInput): InputMessage {
  if (stored === undefined) return { name, contentType };
  return { name, contentType, file: stored.path, offset: stored.offsetBytes, length: sizeBytes };
}
