// What a handler gets to see of an HTTP request besides its inputs, and how long its client waits.
import { ServingError } from '../core/errors.ts';
import type { HeaderPair } from '../core/job.ts';
import { DEFAULT_PRIORITY, findPriority, PRIORITIES, type Priority } from '../core/priority.ts';
import type { Exchange } from './exchange.ts';
import { contentEncoding } from './request-body.ts';

/** Names that only the server may set; a client's own are dropped. */
const SERVER_HEADERS: ReadonlySet<string> = new Set(['explain', 'describe', 'url_path', 'open_inference']);

/** What is no longer true of a body that was compressed: the handler gets what was in it. */
const COMPRESSION_HEADERS: ReadonlySet<string> = new Set(['content-encoding', 'content-length']);

/**
 * The client's headers in order and letter case, and then `added`, which a client cannot set; of a name that comes twice the last counts in
 * the handler's dictionary.
 */
export function handlerHeaders(exchange: Exchange, added: readonly HeaderPair[]): HeaderPair[] {
  const { rawHeaders } = exchange.request;
  const isCompressed = contentEncoding(exchange.request) !== undefined;
  const headers: HeaderPair[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const key = name.toLowerCase();
    if (SERVER_HEADERS.has(key) || (isCompressed && COMPRESSION_HEADERS.has(key))) continue;
    headers.push([name, rawHeaders[index + 1] ?? '']);
  }
  headers.push(...added);
  return headers;
}

/** `X-Request-Priority`, the default without. Throws INVALID_PARAMETER for what is no priority. */
export function requestPriority(exchange: Exchange): Priority {
  const text = exchange.header('x-request-priority');
  if (text === undefined) return DEFAULT_PRIORITY;
  const priority = findPriority(text);
  if (priority !== undefined) return priority;
  const message = `X-Request-Priority: expected a number from 1 (first) to ${PRIORITIES.length} (last), found "${text.slice(0, 80)}"`;
  throw new ServingError('INVALID_PARAMETER', message, { parameter: 'X-Request-Priority', value: text });
}

/** `X-Request-Timeout` in milliseconds, undefined without. Throws INVALID_PARAMETER for what is no number of seconds. */
export function requestTimeoutMs(exchange: Exchange): number | undefined {
  const text = exchange.header('x-request-timeout');
  if (text === undefined) return undefined;
  const seconds = /^\d{1,9}(?:\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0) return seconds * 1000;
  const message = `X-Request-Timeout: expected a number of seconds above 0, found "${text.slice(0, 80)}"`;
  throw new ServingError('INVALID_PARAMETER', message, { parameter: 'X-Request-Timeout', value: text });
}
