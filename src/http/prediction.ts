// One inference request over HTTP: body in, job through the service, and the job's parts out: one answer, or a stream as it comes.
import type { Dialect } from '../config/dialect.ts';
import { ServingError } from '../core/errors.ts';
import type { HeaderPair, Job, JobKind, OutputPart } from '../core/job.ts';
import type { InferenceService } from '../services/inference-service.ts';
import type { Exchange } from './exchange.ts';
import { inputsOf, tensorInput } from './payload.ts';

/** Which model is asked what, as the path says it. */
export interface PredictionTarget {
  readonly model: string;
  readonly version: string | undefined;
  readonly kind: JobKind;
  /** Headers that the server adds for the handler; a client cannot set them. */
  readonly headers: readonly HeaderPair[];
  /** How the inputs come: as a body or form, with query parameters before it, or as tensors of the Open Inference Protocol. */
  readonly inputs: 'body' | 'query-and-body' | 'tensors';
}

/** Names that only the server may set; a client's own are dropped. */
const SERVER_HEADERS: ReadonlySet<string> = new Set(['explain', 'describe', 'url_path', 'open_inference']);

/** What the answer's framing and identity rest on: a handler cannot set these. */
const PROTECTED_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'keep-alive',
  'transfer-encoding',
  'x-request-id',
  'pragma',
  'cache-control',
  'expires',
]);

export async function predict(
  exchange: Exchange,
  inference: InferenceService,
  dialect: Dialect,
  target: PredictionTarget,
): Promise<void> {
  const body = await exchange.readBody();
  const inputs =
    target.inputs === 'tensors'
      ? [tensorInput(body, exchange.contentType)]
      : inputsOf(body, exchange.contentType, target.inputs === 'query-and-body' ? exchange.query : '');
  const job = inference.infer({
    model: target.model,
    requestedVersion: target.version,
    requestId: exchange.requestId,
    kind: target.kind,
    headers: handlerHeaders(exchange, target.headers),
    inputs,
    timeoutMs: requestTimeoutMs(exchange),
  });
  exchange.onClientGone(() => job.abandon());
  const first = await job.next();
  if (first.isLast) answer(exchange, dialect, first);
  else await stream(exchange, dialect, job, first);
}

function answer(exchange: Exchange, dialect: Dialect, part: OutputPart): void {
  exchange.body(part.status, reasonOf(part, dialect), responseHeaders(part, dialect), part.chunks);
}

async function stream(exchange: Exchange, dialect: Dialect, job: Job, first: OutputPart): Promise<void> {
  try {
    exchange.beginStream(first.status, reasonOf(first, dialect), responseHeaders(first, dialect));
    for (let part = first; ; part = await job.next()) {
      await exchange.write(part.chunks);
      if (part.isLast) break;
    }
  } catch (error) {
    job.abandon();
    throw error;
  }
  exchange.endStream();
}

function reasonOf(part: OutputPart, dialect: Dialect): string {
  if (part.status < 200 || part.status > 999) {
    throw new ServingError('OUTPUT_HEADER_INVALID', `The handler set status ${part.status}; HTTP carries 200 to 999.`);
  }
  return part.reason === '' ? (dialect.http.predictionReason ?? dialect.http.reasonOf(part.status)) : part.reason;
}

function responseHeaders(part: OutputPart, dialect: Dialect): HeaderPair[] {
  const own = part.headers.filter(([name]) => !PROTECTED_HEADERS.has(name.toLowerCase()));
  if (own.some(([name]) => name.toLowerCase() === 'content-type')) return own;
  const contentType = dialect.http.defaultContentType[part.encoding];
  return contentType === undefined ? own : [['content-type', contentType], ...own];
}

/** The client's headers in order and letter case; of a name that comes twice the last counts in the handler's dictionary. */
function handlerHeaders(exchange: Exchange, added: readonly HeaderPair[]): HeaderPair[] {
  const { rawHeaders } = exchange.request;
  const headers: HeaderPair[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    if (!SERVER_HEADERS.has(name.toLowerCase())) headers.push([name, rawHeaders[index + 1] ?? '']);
  }
  headers.push(...added);
  return headers;
}

function requestTimeoutMs(exchange: Exchange): number | undefined {
  const text = exchange.header('x-request-timeout');
  if (text === undefined) return undefined;
  const seconds = /^\d{1,9}(?:\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0) return seconds * 1000;
  const message = `X-Request-Timeout: expected a number of seconds above 0, found "${text.slice(0, 80)}"`;
  throw new ServingError('INVALID_PARAMETER', message, { parameter: 'X-Request-Timeout', value: text });
}
