// A generator of an author's code as a stream: each value is sent as it comes, and the generator is closed when nobody reads on.
import { emptyPart, encodeResult, type ResultFormat } from './handler-result.ts';
import type { ResultPart, RuntimeRequest } from './runtime-model.ts';

type Stream = AsyncIterable<unknown> | Iterable<unknown>;

/** Whether a result is to be sent value by value: an async iterable, or a generator. Lists and strings are values. */
export function isStream(value: unknown): value is Stream {
  if (typeof value !== 'object' || value === null) return false;
  return Symbol.asyncIterator in value || (Symbol.iterator in value && 'next' in value);
}

/**
 * Sends what the generator yields, and gives the last part: what it returns, or nothing. Rejects with what the generator throws, and
 * when the request is over before the stream is.
 */
export async function sendStream(values: Stream, request: RuntimeRequest, format: ResultFormat): Promise<ResultPart> {
  const iterator = Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]();
  let sent: ResultPart | undefined;
  try {
    for (let index = 0; ; index += 1) {
      request.signal.throwIfAborted();
      const step = await iterator.next();
      if (step.done === true && step.value === undefined) return emptyPart(sent?.encoding ?? 'text');
      const part = encodeResult(step.value, `Value ${index} of the stream`, format);
      if (step.done === true) return part;
      await request.stream(part);
      sent = part;
    }
  } catch (error) {
    // The generator's own failure ends it by itself; for the others, its `finally` blocks must run.
    await iterator.return?.();
    throw error;
  }
}
