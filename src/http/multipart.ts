// multipart/form-data: named parts, their bytes untouched. The body is here as a whole, so it is read in one pass over one buffer and
// values are views of it. A line that only looks like a boundary belongs to the value.
import { ServingError } from '../core/errors.ts';
import type { JobInput } from '../core/job.ts';
import { parseParameterizedHeader } from './media-type.ts';

const DEFAULT_FILE_TYPE = 'application/octet-stream';
/** The headers of one part; browsers and clients need a few hundred bytes. */
const MAX_HEAD_BYTES = 16 * 1024;
const CRLF = '\r\n';

/** Where a boundary line stands. */
interface Delimiter {
  /** Where the part before it ends. */
  readonly start: number;
  /** Where the part behind it begins. */
  readonly end: number;
  readonly isLast: boolean;
}

/** Reads the parts in their order. A plain field has no content type; a file has its own. Throws INVALID_BODY saying what is wrong. */
export function parseMultipart(chunks: readonly Buffer[], boundary: string | undefined, maxParts: number): JobInput[] {
  if (boundary === undefined || boundary === '') throw malformed('its Content-Type names no boundary');
  const [only] = chunks;
  const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
  const inputs: JobInput[] = [];
  let before = firstDelimiter(body, boundary);
  while (!before.isLast) {
    // The line end of a part's last header may be that of the boundary: such a part has no value.
    const after = nextDelimiter(body, boundary, before.end - CRLF.length);
    inputs.push(readPart(body.subarray(before.end, Math.max(before.end, after.start))));
    if (inputs.length > maxParts) throw malformed(`it has more than ${maxParts} parts`);
    before = after;
  }
  return inputs;
}

function firstDelimiter(body: Buffer, boundary: string): Delimiter {
  const line = Buffer.from(`--${boundary}`);
  const atStart = body.subarray(0, line.length).equals(line) ? delimiterAt(body, 0, line.length) : undefined;
  return atStart ?? nextDelimiter(body, boundary, 0);
}

function nextDelimiter(body: Buffer, boundary: string, from: number): Delimiter {
  const line = Buffer.from(`${CRLF}--${boundary}`);
  for (let start = body.indexOf(line, from); start >= 0; start = body.indexOf(line, start + 1)) {
    const found = delimiterAt(body, start, start + line.length);
    if (found !== undefined) return found;
  }
  throw malformed('it ends before its last boundary');
}

/** The delimiter whose dashes and boundary end at `end`, or undefined when the line goes on with something else. */
function delimiterAt(body: Buffer, start: number, end: number): Delimiter | undefined {
  if (body.toString('latin1', end, end + 2) === '--') return { start, end: end + 2, isLast: true };
  let lineEnd = end;
  while (body[lineEnd] === 0x20 || body[lineEnd] === 0x09) lineEnd += 1;
  if (body.toString('latin1', lineEnd, lineEnd + CRLF.length) !== CRLF) return undefined;
  return { start, end: lineEnd + CRLF.length, isLast: false };
}

function readPart(part: Buffer): JobInput {
  const headEnd = part.indexOf(CRLF + CRLF);
  const head = headEnd < 0 ? part : part.subarray(0, headEnd);
  if (head.length > MAX_HEAD_BYTES) throw malformed(`the headers of a part are longer than ${MAX_HEAD_BYTES} bytes`);
  const value = headEnd < 0 ? part.subarray(part.length) : part.subarray(headEnd + 2 * CRLF.length);
  return { ...describePart(readHead(head.toString('utf8'))), chunks: [value], sizeBytes: value.length };
}

/** Header names in lower case; of a name that comes twice the first counts. A part that begins with an empty line has none. */
function readHead(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  if (text.startsWith(CRLF)) return headers;
  for (const line of text.split(/\r\n(?![ \t])/)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim().toLowerCase();
    if (colon > 0 && !headers.has(name))
      headers.set(
        name,
        line
          .slice(colon + 1)
          .replaceAll(/\r\n[ \t]+/g, ' ')
          .trim(),
      );
  }
  return headers;
}

function describePart(headers: ReadonlyMap<string, string>): Pick<JobInput, 'name' | 'contentType'> {
  const disposition = parseParameterizedHeader(headers.get('content-disposition') ?? '');
  const name = disposition.parameters.get('name');
  if (disposition.value !== 'form-data' || name === undefined) throw malformed('a part has no form-data name');
  if (!disposition.parameters.has('filename')) return { name, contentType: '' };
  const type = headers.get('content-type');
  return { name, contentType: type === undefined ? DEFAULT_FILE_TYPE : parseParameterizedHeader(type).value };
}

function malformed(why: string): ServingError {
  return new ServingError('INVALID_BODY', `The multipart/form-data body cannot be read: ${why}.`);
}
