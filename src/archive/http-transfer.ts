// Brings the bytes behind an http(s) URL into a part file: with a least rate, and again from where it stopped when the connection breaks,
// as long as the server proves by its validator that the bytes are the same. Redirects, addresses and proxies are http-source.ts's work.
import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../core/errors.ts';
import { codeOf, downloadFailed } from './download-failure.ts';
import type { HttpAnswer } from './http-get.ts';
import type { HttpSource } from './http-source.ts';
import { NoRoom, type PartFile } from './part-file.ts';
import { garbageWatch } from './short-garbage.ts';

/** So much progress since the last break makes up for the breaks before it. */
const PROGRESS_BYTES = 1024 * 1024;
/** Answers after which asking again makes sense. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 502, 503, 504]);
/** Connections that ended although there was somebody at the other end. */
const BROKEN: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);
/** A Last-Modified says for sure that nothing has changed only if it was this long ago when the answer was made (RFC 9110, 8.8.2.2). */
const SURE_AGE_MS = 60_000;

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at its address',
  ECONNRESET: 'the connection ended early',
  EHOSTUNREACH: 'its host cannot be reached',
  ENETUNREACH: 'its network cannot be reached',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name cannot be looked up at the moment',
  ETIMEDOUT: 'the connection could not be made in time',
  NO_ANSWER: 'the server sent no answer in time',
  SILENT: 'the server fell silent',
};

/** Where the end is on this side, or for good. */
const FINAL_REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk of the model store is full',
  EDQUOT: 'the disk quota of the model store is used up',
  HPE_HEADER_OVERFLOW: 'the head of its answer is too large',
  TUNNEL_REFUSED: 'the proxy does not connect to this host',
};

/** How patient a transfer is with a server that breaks off, or that is slow. */
export interface TransferLimits {
  /** Times that a transfer may break without getting any further. */
  readonly maxBreaks: number;
  /** Wait before the first resumption; it doubles with each one that brings nothing. */
  readonly backOffMs: number;
  /** At least so many bytes must arrive in each window. */
  readonly minWindowBytes: number;
  readonly windowMs: number;
}

export const DEFAULT_LIMITS: TransferLimits = {
  maxBreaks: 4,
  backOffMs: 500,
  minWindowBytes: 64 * 1024,
  windowMs: 60_000,
};

export interface Transfer {
  readonly source: HttpSource;
  readonly url: URL;
  readonly isSigned: boolean;
  readonly part: PartFile;
  readonly limits: TransferLimits;
  /** Its reason is what the transfer fails with. */
  readonly signal: AbortSignal;
  count(doneBytes: number, totalBytes: number | undefined): void;
}

/** What is known of the bytes after a first answer. */
interface Known {
  readonly totalBytes: number | undefined;
  /** What an If-Range can hold: the strong ETag, or the date of the last change. */
  readonly validator: string | undefined;
}

/** The transfer stopped for a reason that may pass. */
class Break extends Error {}

/** Resolves when all bytes are in the part file. Throws DOWNLOAD_FAILED, what the source refuses, or the signal's reason. */
export async function transfer(work: Transfer): Promise<void> {
  const { part, limits, signal, url } = work;
  let known: Known = { totalBytes: undefined, validator: undefined };
  let breaks = 0;
  let bytesAtBreak = 0;
  for (;;) {
    try {
      const answer = await work.source.get(url, {
        headers: rangeHeaders(part, known),
        isSigned: work.isSigned,
        signal,
      });
      try {
        known = await begin(answer, known, work);
        await receive(answer, known, work);
        return;
      } finally {
        answer.close();
      }
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof ServingError) throw thrown;
      if (thrown instanceof NoRoom) throw downloadFailed(url.href, thrown.message);
      if (part.bytes - bytesAtBreak >= PROGRESS_BYTES) breaks = 0;
      breaks += 1;
      if (!mayPass(thrown, part.bytes) || breaks > limits.maxBreaks) throw failure(thrown, url, breaks);
      bytesAtBreak = part.bytes;
      await delay(limits.backOffMs * 2 ** (breaks - 1), undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

function rangeHeaders(part: PartFile, known: Known): Record<string, string> {
  if (part.bytes === 0 || known.validator === undefined) return {};
  return { range: `bytes=${part.bytes}-`, 'if-range': known.validator };
}

/** Reads the head of an answer, and sets the part file to where its body goes on. */
async function begin(answer: HttpAnswer, known: Known, work: Transfer): Promise<Known> {
  const { part, url } = work;
  const { status } = answer;
  if (PASSING.has(status)) throw new Break(`the server answered ${status}`);
  if (status === 206 && continues(answer, part, known)) return known;
  if (part.bytes > 0) await part.restart();
  // What was asked for is not there any more, or not in these parts: from the beginning, then.
  if (status === 206 || status === 416)
    throw new Break(`the server answered ${status} with bytes that were not asked for`);
  if (status === 407)
    throw downloadFailed(url.href, 'the proxy asks for a user and a password; put them into the URL of the proxy');
  if (status !== 200) throw downloadFailed(url.href, `the server answered ${status}`);
  refuseEncoded(answer, url);
  const totalBytes = wholeNumber(answer.header('content-length'));
  if (totalBytes !== undefined) await part.expect(totalBytes);
  return { totalBytes, validator: validatorOf(answer) };
}

/** Whether a 206 goes on exactly where the part file ends, in the same bytes. */
function continues(answer: HttpAnswer, part: PartFile, known: Known): boolean {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.header('content-range') ?? '') ?? [];
  if (part.bytes === 0 || Number(start) !== part.bytes) return false;
  if (total !== '*' && known.totalBytes !== undefined && Number(total) !== known.totalBytes) return false;
  const etag = answer.header('etag');
  return (
    etag === undefined || known.validator === undefined || !known.validator.startsWith('"') || etag === known.validator
  );
}

async function receive(answer: HttpAnswer, known: Known, { part, limits, count }: Transfer): Promise<void> {
  const { totalBytes } = known;
  // Each piece has a buffer of its own.
  const watchGarbage = garbageWatch();
  let windowBytes = 0;
  let windowBeganAt = performance.now();
  count(part.bytes, totalBytes);
  for await (const piece of answer.body) {
    await part.write(piece);
    count(part.bytes, totalBytes);
    watchGarbage(piece.length);
    windowBytes += piece.length;
    const windowMs = performance.now() - windowBeganAt;
    if (windowMs < limits.windowMs) continue;
    if (windowBytes < limits.minWindowBytes) {
      throw new Break(`the server sent only ${windowBytes} bytes in ${Math.round(windowMs / 1000)} s`);
    }
    windowBytes = 0;
    windowBeganAt = performance.now();
  }
  if (totalBytes !== undefined && part.bytes < totalBytes) {
    throw new Break(`the connection ended after ${part.bytes} of ${totalBytes} bytes`);
  }
  if (totalBytes !== undefined && part.bytes > totalBytes) {
    throw new Break(`the server sent more than the ${totalBytes} bytes that it announced`);
  }
}

/**
 * The file is stored as it travels, so an encoding of the transfer would stay on it. Only for a .tar.gz is "gzip" another word for what
 * the file is.
 */
function refuseEncoded(answer: HttpAnswer, url: URL): void {
  const encoding = answer.header('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  if ((encoding === 'gzip' || encoding === 'x-gzip') && /\.(?:t?gz)$/i.test(url.pathname)) return;
  throw downloadFailed(
    url.href,
    `the server sends it with the Content-Encoding ${encoding}, although it was asked not to; store it there without`,
  );
}

function validatorOf(answer: HttpAnswer): string | undefined {
  const etag = answer.header('etag');
  // What is sent back has to be one that could be sent here.
  if (etag !== undefined && /^"[!#-~\x80-\xff]*"$/.test(etag)) return etag;
  const changed = answer.header('last-modified');
  const age = Date.parse(answer.header('date') ?? '') - Date.parse(changed ?? '');
  return age >= SURE_AGE_MS ? changed : undefined;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** A server that was never there is not waited for; one that has answered, or sent something, may come back. */
function mayPass(thrown: unknown, bytes: number): boolean {
  if (thrown instanceof Break) return true;
  const code = codeOf(thrown) ?? '';
  return BROKEN.has(code) || (bytes > 0 && REASONS[code] !== undefined);
}

/** Texts of the libraries stay inside: they might quote a header or the URL of a proxy. */
function failure(thrown: unknown, url: URL, attempts: number): ServingError {
  return downloadFailed(url.href, reasonOf(thrown) + (attempts > 1 ? ` (${attempts} attempts)` : ''), thrown);
}

function reasonOf(thrown: unknown): string {
  if (thrown instanceof Break) return thrown.message;
  const code = codeOf(thrown);
  const known = REASONS[code ?? ''] ?? FINAL_REASONS[code ?? ''];
  if (known !== undefined) return known;
  if (code?.startsWith('HPE_')) return `what answered does not speak HTTP (${code})`;
  if (code !== undefined && /CERT|SELF_SIGNED|ISSUER|SIGNATURE/.test(code)) {
    return `the server's certificate is not trusted (${code}); NODE_EXTRA_CA_CERTS names a file with certificates of your own`;
  }
  return code === undefined ? 'the transfer failed' : `the transfer failed (${code})`;
}
