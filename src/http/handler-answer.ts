// Status line and headers that a handler gave its answer, as far as HTTP and the dialect let it.
import type { Dialect } from '../config/dialect.ts';
import { ServingError } from '../core/errors.ts';
import type { HeaderPair, OutputPart } from '../core/job.ts';

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

type Head = Pick<OutputPart, 'status' | 'reason' | 'headers'>;

/** The handler's own reason phrase, or the dialect's. Throws OUTPUT_HEADER_INVALID for a status that HTTP cannot carry. */
export function reasonOf({ status, reason }: Head, dialect: Dialect): string {
  if (status < 200 || status > 999) {
    throw new ServingError('OUTPUT_HEADER_INVALID', `The handler set status ${status}; HTTP carries 200 to 999.`);
  }
  return reason === '' ? (dialect.http.predictionReason ?? dialect.http.reasonOf(status)) : reason;
}

/** The headers of a prediction; without a content type of the handler's own, the one that the dialect gives its kind of result. */
export function answerHeaders(part: OutputPart, dialect: Dialect): HeaderPair[] {
  return headersWithType(part, dialect.http.defaultContentType[part.encoding]);
}

/** The headers that the handler may set, with `contentType` when it set none. */
export function headersWithType({ headers }: Head, contentType: string | undefined): HeaderPair[] {
  const own = headers.filter(([name]) => !PROTECTED_HEADERS.has(name.toLowerCase()));
  if (contentType === undefined || own.some(([name]) => name.toLowerCase() === 'content-type')) return own;
  return [['content-type', contentType], ...own];
}
