// What an author writes a TypeScript or JavaScript handler against: published as `sconce/handler`. It is bundled with the author's code,
// so at run time it needs nothing but the brands beside it. Reading requests and sending results is the worker's part (handler-*.ts).
import type { HeaderPair } from '../core/job.ts';
import { HANDLER_ERROR, REPLY } from './handler-brands.ts';

type MaybePromise<T> = T | Promise<T>;

/** One named value of a request. */
export interface HandlerInput {
  readonly name: string;
  /** Media type without parameters, "" when the client did not say. */
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** The bytes as UTF-8. */
  text(): string;
  /** The bytes as JSON; `T` is a promise of yours, nothing checks it. A broken document answers its request with 400. */
  json<T = unknown>(): T;
}

/** The headers of a request, whatever the letter case of their names. */
export interface HandlerHeaders extends Iterable<HeaderPair> {
  /** The value of a header, undefined when the client did not send it; of a name that comes twice the last. */
  get(name: string): string | undefined;
  has(name: string): boolean;
}

/** What a request says about the sequence that it belongs to. */
export interface HandlerSequence {
  readonly id: string;
  /** Whether the request begins it: state that is left of a former sequence of this id does not count. */
  readonly isStart: boolean;
  /** Whether the client sends no more: the sequence is over once this request is answered. */
  readonly isEnd: boolean;
  /** The header that ends sequences where an answer has it: `reply(value, { headers: { [sequence.endHeader]: sequence.id } })`. */
  readonly endHeader: string;
}

/**
 * One request. `bytes`, `text()` and `json()` read its body: the input called `body` or `data`, or the only input there is. When reading fails,
 * the request is answered with 400; thrown out of a `predict` for a batch, that concerns only this request: the others are computed without it.
 */
export interface HandlerRequest {
  readonly id: string;
  readonly headers: HandlerHeaders;
  /** By name: the parts of a form, the parameters of the query, the body. */
  readonly inputs: ReadonlyMap<string, HandlerInput>;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Undefined for a request without one. With `sequenceBatching: true` in model-config.yaml every request has one. */
  readonly sequence: HandlerSequence | undefined;
  readonly bytes: Uint8Array;
  text(): string;
  json<T = unknown>(): T;
  /** An input that the request must have: without it, the request is answered with 400. */
  input(name: string): HandlerInput;
}

/** Lines of the server's log, which names the worker beside them. `fields` are added as JSON. */
export interface HandlerLog {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface MetricOptions {
  /** `Count`, `Milliseconds`, …; part of the help text. */
  readonly unit?: string;
  /** Labels, besides `ModelName` and `Level`. The first report of a name fixes which labels it has. */
  readonly dimensions?: Readonly<Record<string, string>>;
}

/** Metrics in the server's Prometheus text. Values must be finite numbers; anything else throws a TypeError. */
export interface HandlerMetrics {
  /** Something that only grows; `add` adds 1 when it is not told how much. */
  counter(name: string, options?: MetricOptions): { add(value?: number): void };
  /** Something that goes up and down. */
  gauge(name: string, options?: MetricOptions): { set(value: number): void };
  /** Something whose distribution counts. */
  histogram(name: string, options?: MetricOptions): { observe(value: number): void };
}

export type OnnxData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly number[]
  | readonly bigint[]
  | readonly boolean[]
  | readonly string[];

/** A tensor for an ONNX session; its element type is the one that the model declares for the input. */
export interface OnnxInput {
  /** Row by row. FP16 and BF16 are their raw 16 bits in a Uint16Array. */
  readonly data: OnnxData;
  readonly dims: readonly number[];
}

export interface OnnxOutput {
  /** ONNX Runtime's name: `float32`, `int64`, … */
  readonly type: string;
  readonly data: OnnxData;
  readonly dims: readonly number[];
}

/** A loaded ONNX network. */
export interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** Runs the network; it computes beside the event loop. Rejects when names, element types or shapes do not fit. */
  run(inputs: Readonly<Record<string, OnnxInput>>): Promise<Record<string, OnnxOutput>>;
}

/** What a handler knows of its model and of the server. */
export interface HandlerContext {
  readonly modelName: string;
  readonly modelVersion: string;
  /** The unpacked archive: an absolute path. */
  readonly modelFolder: string;
  /** The file that the manifest names as `serializedFile`: an absolute path; undefined when it names none. */
  readonly modelFile: string | undefined;
  /** `model-config.yaml`, {} when the archive has none. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The most requests that a batch can have. */
  readonly batchSize: number;
  /** The GPU that this worker was given, undefined for none. */
  readonly gpuId: number | undefined;
  /** How many threads this worker's numerics should use. */
  readonly threads: number;
  readonly log: HandlerLog;
  readonly metrics: HandlerMetrics;
  /**
   * Opens an ONNX file of the archive, by default the `modelFile`, with ONNX Runtime (the optional package onnxruntime-node) and the settings
   * of the `onnx:` section of `model-config.yaml`.
   */
  onnx(path?: string): Promise<OnnxSession>;
}

interface Loading<State> {
  /** Runs once in each worker before its first request; what it gives is the `state` of every later call. */
  load?(context: HandlerContext): MaybePromise<State>;
}

/** Answers a batch with a list: one result for each request, in their order. */
export type BatchFunction<State> = (
  requests: readonly HandlerRequest[],
  state: State,
  context: HandlerContext,
) => MaybePromise<readonly unknown[]>;

/** Answers one request. The requests of a batch are answered concurrently; an `async *` function streams. */
export type SingleFunction<State> = (request: HandlerRequest, state: State, context: HandlerContext) => unknown;

/** A handler whose functions take a batch. */
export interface BatchHandler<State> extends Loading<State> {
  predict: BatchFunction<State>;
  /** For requests to /explanations. */
  explain?: BatchFunction<State>;
  /** For requests that ask the model to describe itself. */
  describe?: BatchFunction<State>;
  predictOne?: never;
}

/** A handler whose functions take one request. */
export interface SingleHandler<State> extends Loading<State> {
  predictOne: SingleFunction<State>;
  /** For requests to /explanations. */
  explainOne?: SingleFunction<State>;
  /** For requests that ask the model to describe itself. */
  describeOne?: SingleFunction<State>;
  predict?: never;
}

export type Handler<State> = BatchHandler<State> | SingleHandler<State>;

/**
 * Types a handler; export what it gives as the module's default, or as `handler`.
 *
 * A result is what JSON can say, a string, a Uint8Array, a `reply(…)` around one of these, an Error (a HandlerError for a status of its own),
 * or a generator, whose values are sent one by one as they come.
 */
export function defineHandler<State = undefined>(handler: BatchHandler<State>): BatchHandler<State>;
export function defineHandler<State = undefined>(handler: SingleHandler<State>): SingleHandler<State>;
export function defineHandler<State>(handler: Handler<State>): Handler<State> {
  return handler;
}

export interface ReplyOptions {
  /** 200 to 999, by default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>> | Iterable<HeaderPair>;
  readonly contentType?: string;
}

/** A result with a status and headers. */
export interface Reply extends ReplyOptions {
  readonly [REPLY]: true;
  readonly value: unknown;
}

/** Gives a result a status, headers or a content type. In a stream, those of the first value count. */
export function reply(value: unknown, options: ReplyOptions = {}): Reply {
  return { ...options, [REPLY]: true, value };
}

/** Refuses a request with a status and a message for its client: thrown, or returned as the result of one request. */
export class HandlerError extends Error {
  readonly [HANDLER_ERROR] = true;
  readonly status: number;

  /** Throws a RangeError when `status` is not an integer from 400 to 599. */
  constructor(status: number, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'HandlerError';
    if (!Number.isInteger(status) || status < 400 || status > 599) {
      throw new RangeError(`HandlerError: the status must be an integer from 400 to 599, found ${String(status)}.`);
    }
    this.status = status;
  }
}
