// A request as it came from the server, with its values in one piece each.
import { readFile } from 'node:fs/promises';
import { FrameError, type Part } from '../protocol/frame.ts';
import type { JobMessage } from '../protocol/messages.ts';
import type { RequestInput } from './runtime-model.ts';

/** An input whose value is in a file, because it is large; it has no part in the frame. */
interface FileInput {
  readonly name: string;
  readonly contentType: string;
  readonly file: string;
}

export interface ReceivedJob extends Pick<JobMessage, 'id' | 'requestId' | 'kind' | 'headers'> {
  /** Reads what came by file; rejects with the error of the file system. */
  inputs(): Promise<readonly RequestInput[]>;
}

/** The jobs of a `predict` message, which share these values in order. Throws FrameError when the values do not fit the inputs. */
export function receivedJobs(jobs: readonly JobMessage[], values: readonly Uint8Array[]): ReceivedJob[] {
  let next = 0;
  const received = jobs.map((job) => {
    const inputs = (job.inputs as readonly (FileInput | JobMessage['inputs'][number])[]).map((input) => {
      if ('file' in input) return input;
      const bytes = values[next++];
      if (bytes === undefined) throw new FrameError('a predict message has more inputs than parts');
      return { name: input.name, contentType: input.contentType, bytes };
    });
    return {
      id: job.id,
      requestId: job.requestId,
      kind: job.kind,
      headers: job.headers,
      inputs: () => Promise.all(inputs.map(async (input) => ('file' in input ? await fromFile(input) : input))),
    };
  });
  if (next !== values.length) throw new FrameError(`a predict message has ${next} inputs and ${values.length} parts`);
  return received;
}

/** A part in one piece; copied when it came in several. */
export function joined(chunks: Part): Uint8Array {
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}

async function fromFile({ name, contentType, file }: FileInput): Promise<RequestInput> {
  return { name, contentType, bytes: await readFile(file) };
}
