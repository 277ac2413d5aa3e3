// A request as it came over the data channel, with its values in one piece each.
import { readFile } from 'node:fs/promises';
import { FrameError, type FrameHeader, type Part } from '../protocol/frame.ts';
import type { JobMessage, PredictMessage } from '../protocol/messages.ts';
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

/** The jobs of a `predict` frame. Throws FrameError when its parts do not fit its inputs. */
export function receivedJobs(header: FrameHeader, parts: readonly Part[]): ReceivedJob[] {
  // The server is of this worker's own release: its messages are what their type says.
  const { jobs } = header as unknown as PredictMessage;
  let next = 0;
  const received = jobs.map((job) => {
    const values = (job.inputs as readonly (FileInput | JobMessage['inputs'][number])[]).map((input) =>
      'file' in input ? input : { name: input.name, contentType: input.contentType, bytes: joined(parts[next++]) },
    );
    return {
      id: job.id,
      requestId: job.requestId,
      kind: job.kind,
      headers: job.headers,
      inputs: () => Promise.all(values.map(async (value) => ('file' in value ? await fromFile(value) : value))),
    };
  });
  if (next !== parts.length) throw new FrameError(`a predict message has ${next} inputs and ${parts.length} parts`);
  return received;
}

async function fromFile({ name, contentType, file }: FileInput): Promise<RequestInput> {
  return { name, contentType, bytes: await readFile(file) };
}

function joined(chunks: Part | undefined): Uint8Array {
  if (chunks === undefined) throw new FrameError('a predict message has more inputs than parts');
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
}
