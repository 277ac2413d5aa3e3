// One result of an author's code as a part of an answer: bytes, how they were encoded, status and headers.
import type { HeaderPair, OutputEncoding } from '../core/job.ts';
import type { Reply } from './handler.ts';
import { REPLY } from './handler-brands.ts';
import { jsonText } from './handler-json.ts';
import { OutputError } from './request-error.ts';
import type { ResultPart } from './runtime-model.ts';

// What an HTTP/1.1 header can carry: RFC 9110's token, and text without control characters.
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const NO_BYTES = new Uint8Array(0);

/** How results are encoded. */
export interface ResultFormat {
  /** The largest part that may be sent; 0 for no limit. */
  readonly maxBytes: number;
  /** Whether JSON values end with a line break, which is what parts them in a stream. */
  readonly isStream: boolean;
}

/** The bytes, status and headers of one result. Throws OutputError for what cannot be sent; `what` names the result in its text. */
export function encodeResult(result: unknown, what: string, format: ResultFormat): ResultPart {
  const whole = isReply(result) ? result : undefined;
  const { bytes, encoding } = encodeValue(whole === undefined ? result : whole.value, what, format);
  if (format.maxBytes > 0 && bytes.byteLength > format.maxBytes) {
    throw new OutputError(
      `${what} has ${bytes.byteLength} bytes; max_response_size allows ${format.maxBytes}. Raise it, or let the handler answer with less.`,
      'RESPONSE_TOO_LARGE',
    );
  }
  const headers = whole === undefined ? [] : headersOf(whole);
  if (format.isStream && encoding === 'json' && !headers.some(([name]) => name.toLowerCase() === 'content-type')) {
    headers.push(['content-type', 'application/x-ndjson']);
  }
  const status = whole?.status === undefined ? {} : { status: checkedStatus(whole.status) };
  return { bytes, encoding, ...status, ...(headers.length === 0 ? {} : { headers }) };
}

/** The end of a stream that has nothing more to say. */
export function emptyPart(encoding: OutputEncoding): ResultPart {
  return { bytes: NO_BYTES, encoding };
}

/** The name of a value's type, for messages. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return value.constructor?.name || 'object';
}

function isReply(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && REPLY in value;
}

function encodeValue(value: unknown, what: string, format: ResultFormat): Pick<ResultPart, 'bytes' | 'encoding'> {
  if (typeof value === 'string') return { bytes: Buffer.from(value), encoding: 'text' };
  if (value instanceof Uint8Array) return { bytes: value, encoding: 'binary' };
  if (value instanceof ArrayBuffer) return { bytes: new Uint8Array(value), encoding: 'binary' };
  try {
    const text = jsonText(value);
    return { bytes: Buffer.from(format.isStream ? `${text}\n` : text), encoding: 'json' };
  } catch (error) {
    throw new OutputError(
      `${what} (type ${typeName(value)}) cannot be sent: ${whyNot(error)}. Return what JSON can say, a string or a Uint8Array.`,
    );
  }
}

function whyNot(error: unknown): string {
  if (error instanceof RangeError) return 'it contains itself, or nests too deep';
  if (!(error instanceof Error)) return String(error);
  if (error.message.startsWith('Converting circular')) return 'it contains itself';
  return error.message;
}

function checkedStatus(status: number): number {
  if (Number.isInteger(status) && status >= 200 && status <= 999) return status;
  throw invalid(`the status ${String(status)}; it must be an integer from 200 to 999`);
}

function headersOf({ headers, contentType }: Reply): HeaderPair[] {
  const pairs: HeaderPair[] = [];
  const given = headers === undefined ? [] : Symbol.iterator in headers ? headers : Object.entries(headers);
  for (const [name, value] of given as Iterable<HeaderPair>) {
    if (typeof name !== 'string' || !HEADER_NAME.test(name)) {
      throw invalid(`a header named ${JSON.stringify(name)?.slice(0, 80)}`);
    }
    if (typeof value !== 'string')
      throw invalid(`header ${name} to a value of type ${typeof value}; it must be a string`);
    if (!HEADER_VALUE.test(value)) {
      throw invalid(`header ${name} to a value with a line break or another character that HTTP cannot carry`);
    }
    if (contentType === undefined || name.toLowerCase() !== 'content-type') pairs.push([name, value]);
  }
  if (contentType === undefined) return pairs;
  if (typeof contentType !== 'string' || !HEADER_VALUE.test(contentType)) {
    throw invalid('a contentType with a line break or another character that HTTP cannot carry');
  }
  return [['content-type', contentType], ...pairs];
}

function invalid(what: string): OutputError {
  return new OutputError(`The handler set ${what}.`, 'OUTPUT_HEADER_INVALID');
}
