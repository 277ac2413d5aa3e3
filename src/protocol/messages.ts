// The messages between server and worker: types, and the reading of what a worker says into them. Words and fields are those of
// docs/architecture/protocol.md.
import type { ErrorCode } from '../core/errors.ts';
import { isErrorCode } from '../core/errors.ts';
import type { HeaderPair, JobKind, OutputEncoding } from '../core/job.ts';
import type { ListedMetric } from '../core/listed-metrics.ts';
import { isTensorDatatype, type ModelSignature, type TensorSignature } from '../core/model-signature.ts';
import type { ModelMetric } from '../core/ports.ts';
import { FrameError, type FrameHeader } from './frame.ts';

export const PROTOCOL_VERSION = 1;

/** The first frame to a worker: what to load, and how to serve it. */
export interface LoadMessage {
  readonly type: 'load';
  readonly protocol: typeof PROTOCOL_VERSION;
  readonly modelName: string;
  readonly modelVersion: string;
  readonly modelDir: string;
  readonly handler: string | null;
  /** The weights that the manifest names, a path below `modelDir`. */
  readonly modelFile: string | null;
  /** How many threads the worker's numerics may use: the machine's cores shared out among the workers of the version. */
  readonly threads: number;
  readonly batchSize: number;
  readonly gpuId: number | null;
  readonly envelope: string | null;
  readonly limitMaxImagePixels: boolean;
  readonly decodeInput: boolean;
  readonly modelConfig: Readonly<Record<string, unknown>> | null;
  /** The metrics that the operator lists for handlers, null where no file lists any. */
  readonly modelMetrics: readonly ListedMetric[] | null;
  readonly maxResponseBytes: number;
  /** What a job's stream may send before its reader has taken any of it. */
  readonly creditBytes: number;
  readonly serverVersion: string;
  readonly rank: number;
  readonly worldSize: number;
}

/** An input of a job. Its value is the frame's next part, or with `file` that piece of a file, for which the frame has no part. */
export interface InputMessage {
  readonly name: string;
  readonly contentType: string;
  readonly file?: string;
  /** Where in the file the value begins, and how many bytes it has: there when `file` is. */
  readonly offset?: number;
  readonly length?: number;
}

/** One request of a batch. */
export interface JobMessage {
  readonly id: number;
  readonly requestId: string;
  readonly kind: JobKind;
  readonly headers: readonly HeaderPair[];
  readonly inputs: readonly InputMessage[];
}

export interface PredictMessage {
  readonly type: 'predict';
  readonly jobs: readonly JobMessage[];
  /** Nobody waits for the answers: when it fails, the error is to say all that is known of why. */
  readonly warmUp?: true;
}

export type ControlMessage =
  | { readonly type: 'cancel'; readonly jobs: readonly number[] }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'credit'; readonly job: number; readonly bytes: number }
  /** Asks for what was given ahead on this channel and the handler has not begun with. */
  | { readonly type: 'recall' }
  | { readonly type: 'stop' };

/** What a worker says on the control channel. */
export type ControlReply =
  | { readonly type: 'pong'; readonly id: number }
  /** The answer to a `recall`: the worker has these no more. */
  | { readonly type: 'returned'; readonly jobs: readonly number[] };

export interface ReadyMessage {
  readonly type: 'ready';
  /** How many jobs the worker may hold at a time; at least 1. */
  readonly capacity: number;
  /** How many jobs a worker of batches may be given while it computes; 0 for one that wants each batch when it asks for it. */
  readonly ahead: number;
  /** Whether it takes batches ahead on the control channel too, and gives them back from there, also while it computes. */
  readonly givesBack: boolean;
  /** Whether jobs may join what it computes, one by one, as long as it holds fewer than `capacity`. */
  readonly joins: boolean;
  readonly runtime: { readonly name: string; readonly version: string };
  /** The model's inputs and outputs, where the runtime knows them. */
  readonly signature: ModelSignature | undefined;
}

export interface StartedMessage {
  readonly type: 'started';
  readonly jobs: readonly number[];
}

/** A part of one job's output; its bytes are the frame's part of the same index. */
export interface OutputItem {
  readonly job: number;
  readonly last: boolean;
  readonly as: OutputEncoding;
  readonly status: number;
  readonly reason: string;
  readonly headers: readonly HeaderPair[];
}

export interface OutputMessage {
  readonly type: 'output';
  readonly outputs: readonly OutputItem[];
  /** How long the handler took for the batch that these outputs end; undefined when they end none, or nobody measured. */
  readonly handlerMs: number | undefined;
}

export interface ErrorMessage {
  readonly type: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  /** Absent while loading. */
  readonly jobs: readonly number[] | undefined;
  readonly status: number | undefined;
  /** While loading, and of jobs that warm the worker up. */
  readonly trace: string | undefined;
}

export interface MetricMessage extends ModelMetric {
  readonly type: 'metric';
}

export type WorkerMessage = ReadyMessage | StartedMessage | OutputMessage | ErrorMessage | MetricMessage;

const NO_HEADERS: readonly HeaderPair[] = [];
const NO_IDS: readonly string[] = [];

/** Reads a frame's header as a worker's word on the control channel. Throws FrameError naming the field that does not fit. */
export function parseControlReply(header: FrameHeader): ControlReply {
  switch (header.type) {
    case 'pong':
      return { type: 'pong', id: whole(header, 'id') };
    case 'returned':
      return { type: 'returned', jobs: jobIds(header) };
    default:
      throw new FrameError(`a worker sent a control message of unknown type ${JSON.stringify(header.type)}`);
  }
}

/** Reads a frame's header as a worker's message; `partCount` must fit it. Throws FrameError naming the field that does not. */
export function parseWorkerMessage(header: FrameHeader, partCount: number): WorkerMessage {
  switch (header.type) {
    case 'output':
      return parseOutput(header, partCount);
    case 'started':
      return { type: 'started', jobs: jobIds(header) };
    case 'metric':
      return parseMetric(header);
    case 'error':
      return parseError(header);
    case 'ready':
      return parseReady(header);
    default:
      throw new FrameError(`a worker sent a message of unknown type ${JSON.stringify(header.type)}`);
  }
}

function parseOutput(header: FrameHeader, partCount: number): OutputMessage {
  const outputs = list(header, 'outputs').map(parseOutputItem);
  if (outputs.length !== partCount)
    throw new FrameError(`an output message names ${outputs.length} outputs and carries ${partCount} parts`);
  const handlerMs = header['handlerMs'];
  if (handlerMs !== undefined && typeof handlerMs !== 'number') throw wrong('handlerMs', handlerMs);
  return { type: 'output', outputs, handlerMs };
}

function parseOutputItem(value: unknown): OutputItem {
  const item = record(value, 'outputs');
  const as = item['as'];
  if (as !== 'json' && as !== 'text' && as !== 'binary') throw wrong('as', as);
  return {
    job: whole(item, 'job'),
    last: item['last'] === true,
    as,
    status: item['status'] === undefined ? 200 : whole(item, 'status'),
    reason: item['reason'] === undefined ? '' : text(item, 'reason'),
    headers: item['headers'] === undefined ? NO_HEADERS : pairs(item, 'headers'),
  };
}

function parseReady(header: FrameHeader): ReadyMessage {
  const runtime = record(header['runtime'], 'runtime');
  const capacity = whole(header, 'capacity');
  if (capacity < 1) throw wrong('capacity', capacity);
  return {
    type: 'ready',
    capacity,
    ahead: header['ahead'] === undefined ? 0 : whole(header, 'ahead'),
    joins: header['joins'] === true,
    givesBack: header['givesBack'] === true,
    runtime: { name: text(runtime, 'name'), version: text(runtime, 'version') },
    signature: header['signature'] === undefined ? undefined : parseSignature(record(header['signature'], 'signature')),
  };
}

function parseSignature(value: Readonly<Record<string, unknown>>): ModelSignature {
  return {
    platform: text(value, 'platform'),
    inputs: list(value, 'inputs').map(parseTensorSignature),
    outputs: list(value, 'outputs').map(parseTensorSignature),
  };
}

function parseTensorSignature(value: unknown): TensorSignature {
  const tensor = record(value, 'signature');
  const { datatype } = tensor;
  const shape = list(tensor, 'shape');
  if (!isTensorDatatype(datatype)) throw wrong('datatype', datatype);
  for (const size of shape) if (!Number.isSafeInteger(size)) throw wrong('shape', size);
  return { name: text(tensor, 'name'), datatype, shape: shape as readonly number[] };
}

function parseError(header: FrameHeader): ErrorMessage {
  const code = header['code'];
  if (!isErrorCode(code)) throw wrong('code', code);
  return {
    type: 'error',
    code,
    message: text(header, 'message'),
    jobs: header['jobs'] === undefined ? undefined : jobIds(header),
    status: header['status'] === undefined ? undefined : whole(header, 'status'),
    trace: header['trace'] === undefined ? undefined : text(header, 'trace'),
  };
}

function parseMetric(header: FrameHeader): MetricMessage {
  const kind = header['kind'];
  const value = header['value'];
  if (kind !== 'counter' && kind !== 'gauge' && kind !== 'histogram') throw wrong('kind', kind);
  if (typeof value !== 'number') throw wrong('value', value);
  const dimensions = header['dimensions'] === undefined ? NO_HEADERS : pairs(header, 'dimensions');
  const requestIds = header['requestIds'] === undefined ? NO_IDS : list(header, 'requestIds').map(String);
  return {
    type: 'metric',
    name: text(header, 'name'),
    unit: text(header, 'unit'),
    value,
    kind,
    dimensions,
    requestIds,
  };
}

function jobIds(header: FrameHeader): readonly number[] {
  const ids = list(header, 'jobs');
  for (const id of ids) if (!Number.isSafeInteger(id)) throw wrong('jobs', id);
  return ids as readonly number[];
}

function record(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(field, value);
  return value as Readonly<Record<string, unknown>>;
}

function list(from: Readonly<Record<string, unknown>>, field: string): readonly unknown[] {
  const value = from[field];
  if (!Array.isArray(value)) throw wrong(field, value);
  return value;
}

function text(from: Readonly<Record<string, unknown>>, field: string): string {
  const value = from[field];
  if (typeof value !== 'string') throw wrong(field, value);
  return value;
}

function whole(from: Readonly<Record<string, unknown>>, field: string): number {
  const value = from[field];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw wrong(field, value);
  return value;
}

function pairs(from: Readonly<Record<string, unknown>>, field: string): readonly HeaderPair[] {
  const values = list(from, field);
  for (const pair of values) {
    const isPair =
      Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string' && typeof pair[1] === 'string';
    if (!isPair) throw wrong(field, pair);
  }
  return values as readonly HeaderPair[];
}

function wrong(field: string, value: unknown): FrameError {
  return new FrameError(`field "${field}" of a worker's message cannot be ${JSON.stringify(value)?.slice(0, 80)}`);
}
