// What opens a compressed request body, piece by piece and off the event loop. How much may come out is for request-body to say.
import type { Transform } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { ServingError } from '../core/errors.ts';

export type Compression = 'gzip' | 'deflate';

/** What comes out at a time: large enough for a body of megabytes to stay a list of few chunks. */
const CHUNK_BYTES = 64 * 1024;

/** A stream that takes compressed bytes and gives what is in them; it fails when they are broken or end too soon. */
export function decompressor(compression: Compression): Transform {
  const options = { chunkSize: CHUNK_BYTES };
  return compression === 'gzip' ? createGunzip(options) : createInflate(options);
}

/** What a failure of that stream means for the client. */
export function problemOf(compression: Compression, error: Error): ServingError {
  const form = compression === 'gzip' ? 'gzip' : 'deflate (in the zlib format)';
  const message = `The request body is not ${form}, although its Content-Encoding says so: ${error.message}.`;
  return new ServingError('INVALID_BODY', message, {}, error);
}
