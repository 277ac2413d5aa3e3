// What a model says of itself when describe asks with `customized=true`: a job of its own kind, alone in its batch, whose answer is a JSON
// object. It waits, times out and fails as a prediction does.
import { ServingError } from '../core/errors.ts';
import type { HeaderPair, Job, OutputPart } from '../core/job.ts';
import { DEFAULT_PRIORITY } from '../core/priority.ts';
import type { InferenceService } from './inference-service.ts';

/** Reading JSON holds up the event loop; a description of a model is short. */
const MAX_METADATA_BYTES = 1024 * 1024;

export interface CustomizedRequest {
  readonly model: string;
  readonly version: string | undefined;
  readonly requestId: string;
  /** The client's, for the handler. */
  readonly headers: readonly HeaderPair[];
  /** The caller's own limit in milliseconds, undefined for none. */
  readonly timeoutMs: number | undefined;
  /** Calls back when nobody waits for the answer any more. */
  onGone(callback: () => void): void;
}

/** What the handler answered. */
export interface CustomizedAnswer {
  /** Undefined when the handler answered with nothing; empty when that was no JSON object. */
  readonly metadata: object | undefined;
  /** Status, reason and headers that the handler set. */
  readonly head: Pick<OutputPart, 'status' | 'reason' | 'headers'>;
}

export class CustomizedDescribe {
  readonly #inference: Pick<InferenceService, 'infer'>;
  readonly #warn: (message: string, details: object) => void;

  /** `warn` is told of an answer that is no JSON object. */
  constructor(inference: Pick<InferenceService, 'infer'>, warn: (message: string, details: object) => void) {
    this.#inference = inference;
    this.#warn = warn;
  }

  /** Throws what a prediction would throw, and RESPONSE_TOO_LARGE for more than a mebibyte. */
  async ask(request: CustomizedRequest): Promise<CustomizedAnswer> {
    const { model, version, requestId, headers, timeoutMs } = request;
    try {
      const job = this.#inference.infer({
        model,
        requestedVersion: version,
        priority: DEFAULT_PRIORITY,
        requestId,
        kind: 'describe',
        headers,
        inputs: [],
        timeoutMs,
      });
      request.onGone(() => job.abandon());
      const { head, bytes } = await readWhole(job);
      return { head, metadata: bytes.length === 0 ? undefined : this.#parse(bytes, { model, version, requestId }) };
    } catch (error) {
      throw aboutDescribe(error);
    }
  }

  #parse(bytes: Buffer, facts: object): object {
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      value = undefined;
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    this.#warn('the handler describes itself with something that is no JSON object; customizedMetadata is {}', facts);
    return {};
  }
}

/** The parts of the answer as one. */
async function readWhole(job: Job): Promise<{ head: OutputPart; bytes: Buffer }> {
  const first = await job.next();
  const chunks = [...first.chunks];
  let sizeBytes = first.sizeBytes;
  for (let part = first; !part.isLast && sizeBytes <= MAX_METADATA_BYTES; ) {
    part = await job.next();
    chunks.push(...part.chunks);
    sizeBytes += part.sizeBytes;
  }
  if (sizeBytes <= MAX_METADATA_BYTES) return { head: first, bytes: Buffer.concat(chunks) };
  job.abandon();
  const message = `The description that the handler gives has more than ${MAX_METADATA_BYTES} bytes; let it answer with less.`;
  throw new ServingError('RESPONSE_TOO_LARGE', message);
}

/** A refusal that the `torchserve` dialect words for predictions gets a mark by which it tells them apart. */
function aboutDescribe(thrown: unknown): unknown {
  if (!(thrown instanceof ServingError) || (thrown.code !== 'NO_WORKER' && thrown.code !== 'QUEUE_FULL')) return thrown;
  return new ServingError(thrown.code, thrown.message, { ...thrown.details, parameter: 'customized' }, thrown);
}
