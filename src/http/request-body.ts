// The body of a request as the chunks that arrive, never more of them than the limit allows. What is compressed is opened on its way in,
// by a file that only such a request loads.
import type { IncomingMessage } from 'node:http';
import { ServingError } from '../core/errors.ts';
import type { Compression } from './decompressor.ts';

/** A body as the chunks that arrived, or that came out of what arrived. */
export interface Body {
  readonly chunks: readonly Buffer[];
  readonly sizeBytes: number;
}

/** Collects what one source of bytes gives; the promise is the caller's. */
interface Collecting {
  add(chunk: Buffer): void;
  end(): void;
  fail(error: ServingError): void;
}

const NO_BODY: Body = { chunks: [], sizeBytes: 0 };

/** The compressions that are opened, by the names that requests give them. */
const COMPRESSIONS = { gzip: 'gzip', 'x-gzip': 'gzip', deflate: 'deflate' } as const;

/**
 * Reads the body to its end. Fails with BODY_TOO_LARGE before more than `limitBytes` have been kept, counted compressed and not; with
 * BODY_ENCODED for an encoding that is not read; with INVALID_BODY for compressed data that is broken; with CANCELLED when the client leaves.
 */
export function readRequestBody(request: IncomingMessage, limitBytes: number): Promise<Body> {
  const declared = request.headers['content-length'];
  if (declared === undefined && request.headers['transfer-encoding'] === undefined) return Promise.resolve(NO_BODY);
  if (Number(declared ?? 0) > limitBytes) return Promise.reject(bodyTooLarge(limitBytes));
  const encoding = contentEncoding(request);
  if (encoding === undefined) return readPlain(request, limitBytes);
  if (!isCompression(encoding)) return Promise.reject(bodyEncoded(encoding));
  return readCompressed(request, COMPRESSIONS[encoding], limitBytes);
}

/** The encoding of the body, in lower case; undefined for a body that is sent as it is. */
export function contentEncoding(request: IncomingMessage): string | undefined {
  const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity' ? undefined : encoding;
}

function readPlain(request: IncomingMessage, limitBytes: number): Promise<Body> {
  return new Promise((resolve, reject) => {
    const body = collect(limitBytes, resolve, reject);
    request.on('data', body.add);
    request.on('end', body.end);
    onClientGone(request, body.fail);
  });
}

async function readCompressed(request: IncomingMessage, compression: Compression, limitBytes: number): Promise<Body> {
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
    const body = collect(limitBytes, resolve, giveUp);
    let arrivedBytes = 0;
    request.on('data', (chunk: Buffer) => {
      arrivedBytes += chunk.length;
      if (arrivedBytes > limitBytes) body.fail(bodyTooLarge(limitBytes));
    });
    opened.on('data', body.add);
    opened.on('end', body.end);
    opened.on('error', (error) => body.fail(problemOf(compression, error)));
    onClientGone(request, body.fail);
    request.pipe(opened);
  });
}

function collect(limitBytes: number, resolve: (body: Body) => void, reject: (error: ServingError) => void): Collecting {
  let chunks: Buffer[] = [];
  let sizeBytes = 0;
  const fail = (error: ServingError) => {
    // What was kept so far is not the body: it must not be held on to while the rest goes by.
    chunks = [];
    reject(error);
  };
  return {
    add: (chunk) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= limitBytes) chunks.push(chunk);
      else fail(bodyTooLarge(limitBytes));
    },
    end: () => resolve({ chunks, sizeBytes }),
    fail,
  };
}

function onClientGone(request: IncomingMessage, callback: (error: ServingError) => void): void {
  request.on('error', () => callback(clientGone()));
  request.on('close', () => {
    if (!request.complete) callback(clientGone());
  });
}

function isCompression(encoding: string): encoding is keyof typeof COMPRESSIONS {
  return Object.hasOwn(COMPRESSIONS, encoding);
}

function bodyTooLarge(limitBytes: number): ServingError {
  return new ServingError(
    'BODY_TOO_LARGE',
    `The request body is larger than ${limitBytes} bytes; max_request_size sets this limit.`,
  );
}

function bodyEncoded(encoding: string): ServingError {
  const message = `The request body is encoded (Content-Encoding: ${encoding.slice(0, 40)}) in a way that is not read; send it as gzip or deflate, or as it is without that header.`;
  return new ServingError('BODY_ENCODED', message);
}

function clientGone(): ServingError {
  return new ServingError('CANCELLED', 'The client closed the connection before its request was complete.');
}
