// Reads the body of a request to its end, be it in memory or in a file (arriving-body.ts). What is compressed is opened on its way in, by a
// file that only such a request loads.
import type { IncomingMessage } from 'node:http';
import { ServingError } from '../core/errors.ts';
import { ArrivingBody, type Body, type BodyRules, bodyTooLarge, NO_BODY } from './arriving-body.ts';
import type { Compression } from './decompressor.ts';

/** The compressions that are opened, by the names that requests give them. */
const COMPRESSIONS = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' } as const;

/**
 * Reads the body to its end. `owner` is whom the budget counts its bytes for. Fails with BODY_TOO_LARGE before more than the limit has been
 * kept, counted compressed and not; with BUFFER_FULL when the budget has no room; with BODY_NOT_STORED when a large one cannot be written;
 * with BODY_ENCODED for an encoding that is not read; with INVALID_BODY for compressed data that is broken; with CANCELLED when the client
 * leaves.
 */
export function readRequestBody(request: IncomingMessage, rules: BodyRules, owner: string): Promise<Body> {
  const declared = request.headers['content-length'];
  if (declared === undefined && request.headers['transfer-encoding'] === undefined) return Promise.resolve(NO_BODY);
  const declaredBytes = Number(declared ?? 0);
  if (declaredBytes > rules.limitBytes) return Promise.reject(bodyTooLarge(rules.limitBytes));
  const encoding = contentEncoding(request);
  if (encoding === undefined) return readPlain(request, rules, owner, declaredBytes);
  if (!isCompression(encoding)) return Promise.reject(bodyEncoded(encoding));
  return readCompressed(request, COMPRESSIONS[encoding], rules, owner);
}

/** The encoding of the body, in lower case; undefined for a body that is sent as it is. */
export function contentEncoding(request: IncomingMessage): string | undefined {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity' ? undefined : encoding;
}

function readPlain(request: IncomingMessage, rules: BodyRules, owner: string, declaredBytes: number): Promise<Body> {
  return new Promise((resolve, reject) => {
    const body = new ArrivingBody(rules, owner, request, resolve, reject);
    request.on('data', (chunk: Buffer) => body.add(chunk));
    request.on('end', () => body.end());
    onClientGone(request, body);
    body.expect(declaredBytes);
  });
}

async function readCompressed(
  request: IncomingMessage,
  compression: Compression,
  rules: BodyRules,
  owner: string,
): Promise<Body> {
  const { decompressor, problemOf } = await import('./decompressor.ts');
  return new Promise((resolve, reject) => {
    const opened = decompressor(compression);
    const giveUp = (error: ServingError) => {
      request.unpipe(opened);
      opened.destroy();
      // What is still on its way must not stand before the connection's next request.
      request.resume();
      reject(error);
    };
    const body = new ArrivingBody(rules, owner, opened, resolve, giveUp);
    let arrivedBytes = 0;
    request.on('data', (chunk: Buffer) => {
      arrivedBytes += chunk.length;
      if (arrivedBytes > rules.limitBytes) body.fail(bodyTooLarge(rules.limitBytes));
    });
    opened.on('data', (chunk: Buffer) => body.add(chunk));
    opened.on('end', () => body.end());
    opened.on('error', (error) => body.fail(problemOf(compression, error)));
    onClientGone(request, body);
    request.pipe(opened);
  });
}

function onClientGone(request: IncomingMessage, body: ArrivingBody): void {
  request.on('error', () => body.fail(clientGone()));
  request.on('close', () => {
    if (!request.complete) body.fail(clientGone());
  });
}

function isCompression(encoding: string): encoding is keyof typeof COMPRESSIONS {
  return Object.hasOwn(COMPRESSIONS, encoding);
}

function bodyEncoded(encoding: string): ServingError {
  const message = `The request body is encoded (Content-Encoding: ${encoding.slice(0, 40)}) in a way that is not read; send it as gzip or deflate, or as it is without that header.`;
  return new ServingError('BODY_ENCODED', message);
}

function clientGone(): ServingError {
  return new ServingError('CANCELLED', 'The client closed the connection before its request was complete.');
}
