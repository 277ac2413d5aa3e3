// A request as it came from the server, with its values in one piece each. Those of large bodies are in a file, and read when their batch begins.
import { constants } from 'node:buffer';
import { open } from 'node:fs/promises';
import { FrameError, type Part } from '../protocol/frame.ts';
import type { InputMessage, JobMessage } from '../protocol/messages.ts';
import type { RequestInput } from './runtime-model.ts';

/** What one read of a file gives at most. */
const MAX_READ_BYTES = 2 ** 30;

export interface ReceivedJob extends Pick<JobMessage, 'id' | 'requestId' | 'kind' | 'headers'> {
  /** Reads what came by file; rejects with the error of the file system. */
  inputs(): Promise<readonly RequestInput[]>;
}

/** The jobs of a `predict` message, which share these values in order. Throws FrameError when the values do not fit the inputs. */
export function receivedJobs(jobs: readonly JobMessage[], values: readonly Uint8Array[]): ReceivedJob[] {
  let next = 0;
  const received = jobs.map((job) => {
    const readers = job.inputs.map((input) => {
      if (input.file !== undefined) return () => fromFile(input, input.file ?? '');
      const bytes = values[next++];
      if (bytes === undefined) throw new FrameError('a predict message has more inputs than parts');
      return () => ({ name: input.name, contentType: input.contentType, bytes });
    });
    return {
      id: job.id,
      requestId: job.requestId,
      kind: job.kind,
      headers: job.headers,
      inputs: () => Promise.all(readers.map((read) => read())),
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

async function fromFile(
  { name, contentType, offset = 0, length = 0 }: InputMessage,
  path: string,
): Promise<RequestInput> {
  if (length > constants.MAX_LENGTH) throw new Error(`not enough memory for an input of ${length} bytes in one piece`);
  // Of its own, so that a tensor of any type can be made over it.
  const bytes = Buffer.allocUnsafeSlow(length);
  const file = await open(path, 'r');
  try {
    for (let filled = 0; filled < length; ) {
      const wanted = Math.min(length - filled, MAX_READ_BYTES);
      const { bytesRead } = await file.read(bytes, filled, wanted, offset + filled);
      if (bytesRead === 0) throw new Error(`${path} is shorter than it was`);
      filled += bytesRead;
    }
  } finally {
    await file.close();
  }
  return { name, contentType, bytes };
}
