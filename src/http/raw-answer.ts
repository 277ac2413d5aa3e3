// Answers to what never became a request: no parser has a response for them, so they are written to the socket as text.
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { ServingError } from '../core/errors.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { errorDocument } from './http-errors.ts';
import { MAX_URL_LENGTH } from './listener-guard.ts';
import { prettyJson } from './pretty-json.ts';

/** What Node's parser reports of a connection whose bytes it cannot read, or does not want to wait for. */
export interface ParserError extends Error {
  readonly code?: string;
  /** The bytes in which it was met. */
  readonly rawPacket?: Buffer;
}

/** Writes the error's document as the last thing on a connection. */
export function answerRaw(context: ExchangeContext, socket: Socket, error: ServingError): void {
  const { dialect, metrics, access } = context;
  const document = errorDocument(dialect, error);
  const body = prettyJson(document);
  const requestId = randomUUID();
  const { retryAfterSec } = error.details;
  const retryAfter = retryAfterSec === undefined ? [] : [`Retry-After: ${retryAfterSec}`];
  const head = [
    `HTTP/1.1 ${document.code} ${dialect.http.reasonOf(document.code)}`,
    'content-type: application/json',
    ...retryAfter,
    `x-request-id: ${requestId}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  const remote = socket.remoteAddress ?? '';
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  metrics.responded(document.code);
  access?.add({ requestId, method: '', path: '', status: document.code, tookMs: 0, remote, isCut: false });
}

/** What is wrong with a request that the parser gave up. */
export function parserFailure({ code, message, rawPacket }: ParserError): ServingError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const text =
      'The headers of the request did not arrive in time; client_header_timeout sets how long that may take.';
    return new ServingError('REQUEST_TOO_SLOW', text);
  }
  if (code !== 'HPE_HEADER_OVERFLOW')
    return new ServingError('MALFORMED_REQUEST', `The request is not valid HTTP (${code ?? message}).`);
  if (rawPacket !== undefined && beginsWithLongUrl(rawPacket))
    return new ServingError(
      'URL_TOO_LONG',
      `The URL has more than ${MAX_URL_LENGTH} characters; send long values in the body.`,
    );
  return new ServingError(
    'HEADERS_TOO_LARGE',
    'The headers of the request are longer than 16 KiB together with its URL.',
  );
}

function beginsWithLongUrl(packet: Buffer): boolean {
  if (!/^[A-Z]+ /.test(packet.toString('latin1', 0, 16))) return false;
  const end = packet.indexOf('\n');
  return end < 0 ? packet.length > MAX_URL_LENGTH : end > MAX_URL_LENGTH;
}
