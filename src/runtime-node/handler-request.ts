// A request as an author's code sees it: headers in any letter case, inputs by name, the body as bytes, text or JSON.
import type { HeaderPair } from '../core/job.ts';
import { sequenceMarks, sequenceNamesIn } from '../core/sequence-headers.ts';
import {
  HandlerError,
  type HandlerHeaders,
  type HandlerInput,
  type HandlerRequest,
  type HandlerSequence,
} from './handler.ts';
import type { RequestInput, RuntimeRequest } from './runtime-model.ts';

const SEQUENCE_NAMES = sequenceNamesIn(process.env);

/** Reading a request failed: the client's mistake, whatever else is in the batch. */
export class RefusedRequest extends HandlerError {
  readonly request: HandlerRequest;

  constructor(request: HandlerRequest, message: string) {
    super(400, message);
    this.request = request;
  }
}

export function handlerRequest(from: RuntimeRequest): HandlerRequest {
  return new Request(from);
}

class Request implements HandlerRequest {
  readonly id: string;
  readonly headers: HandlerHeaders;
  readonly inputs: ReadonlyMap<string, HandlerInput>;
  readonly signal: AbortSignal;

  constructor(from: RuntimeRequest) {
    this.id = from.requestId;
    this.headers = new RequestHeaders(from.headers);
    this.inputs = new Map(from.inputs.map((input) => [input.name, new Input(this, input)]));
    this.signal = from.signal;
  }

  get sequence(): HandlerSequence | undefined {
    const { id, isStart, isEnd } = sequenceMarks([...this.headers], SEQUENCE_NAMES);
    return id === undefined ? undefined : { id, isStart, isEnd, endHeader: SEQUENCE_NAMES.end };
  }

  get bytes(): Uint8Array {
    return this.#body().bytes;
  }

  text(): string {
    return this.#body().text();
  }

  json<T = unknown>(): T {
    return this.#body().json<T>();
  }

  input(name: string): HandlerInput {
    const input = this.inputs.get(name);
    if (input !== undefined) return input;
    throw new RefusedRequest(this, `The request has no input "${name}"; it has ${this.#listed()}.`);
  }

  #body(): HandlerInput {
    const named = this.inputs.get('body') ?? this.inputs.get('data');
    if (named !== undefined) return named;
    const [only] = this.inputs.values();
    if (only !== undefined && this.inputs.size === 1) return only;
    throw new RefusedRequest(this, `The request has no body that could be read; it has ${this.#listed()}.`);
  }

  #listed(): string {
    if (this.inputs.size === 0) return 'no input at all';
    return [...this.inputs.keys()].slice(0, 10).join(', ') + (this.inputs.size > 10 ? ', …' : '');
  }
}

class Input implements HandlerInput {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
  readonly #request: HandlerRequest;

  constructor(request: HandlerRequest, from: RequestInput) {
    this.#request = request;
    this.name = from.name;
    this.contentType = from.contentType;
    this.bytes = from.bytes;
  }

  text(): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength).toString('utf8');
  }

  json<T = unknown>(): T {
    try {
      return JSON.parse(this.text()) as T;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
      throw new RefusedRequest(this.#request, `The input "${this.name}" is not valid JSON: ${why}.`);
    }
  }
}

class RequestHeaders implements HandlerHeaders {
  readonly #pairs: readonly HeaderPair[];

  constructor(pairs: readonly HeaderPair[]) {
    this.#pairs = pairs;
  }

  get(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.#pairs.findLast(([each]) => each.toLowerCase() === wanted)?.[1];
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  [Symbol.iterator](): Iterator<HeaderPair> {
    return this.#pairs[Symbol.iterator]();
  }
}
