// multipart/form-data: named parts, their bytes untouched. The body is here as a whole, so it is read in one pass, and values are views of
// the chunks that arrived. A line that only looks like a boundary belongs to the value.
import { ServingError } from '../core/errors.ts';
import type { JobInput } from '../core/job.ts';
import { ChunkList } from './chunk-list.ts';
import { parseParameterizedHeader } from './media-type.ts';

const DEFAULT_FILE_TYPE = 'application/octet-stream';
/** The headers of one part; browsers and clients need a few hundred bytes. */
const MAX_HEAD_BYTES = 16 * 1024;
/** What may stand between a boundary and the end of its line, the line end included. */
const MAX_PADDING_BYTES = 256;
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
  const body = new ChunkList(chunks);
  const inputs: JobInput[] = [];
  let before = firstDelimiter(body, boundary);
  while (!before.isLast) {
    // The line end of a part's last header may be that of the boundary: such a part has no value.
    const after = nextDelimiter(body, boundary, before.end - CRLF.length);
    inputs.push(readPart(body, before.end, Math.max(before.end, after.start)));
    if (inputs.length > maxParts) throw malformed(`it has more than ${maxParts} parts`);
    before = after;
  }
  return inputs;
}

function firstDelimiter(body: ChunkList, boundary: string): Delimiter {
  const line = Buffer.from(`--${boundary}`);
  const atStart = body.copy(0, line.length).equals(line) ? delimiterAt(body, 0, line.length) : undefined;
  return atStart ?? nextDelimiter(body, boundary, 0);
}

function nextDelimiter(body: ChunkList, boundary: string, from: number): Delimiter {
  const line = Buffer.from(`${CRLF}--${boundary}`);
  for (let start = body.indexOf(line, from); start >= 0; start = body.indexOf(line, start + 1)) {
    const found = delimiterAt(body, start, start + line.length);
    if (found !== undefined) return found;
  }
  throw malformed('it ends before its last boundary');
}

/** The delimiter whose dashes and boundary end at `end`, or undefined when the line goes on with something else. */
function delimiterAt(body: ChunkList, start: number, end: number): Delimiter | undefined {
  const [rest = ''] = /^(?:--|[ \t]*\r\n)/.exec(body.copy(end, end + MAX_PADDING_BYTES).toString('latin1')) ?? [];
  return rest === '' ? undefined : { start, end: end + rest.length, isLast: rest === '--' };
}

function readPart(body: ChunkList, start: number, end: number): JobInput {
  const head = body.copy(start, Math.min(end, start + MAX_HEAD_BYTES));
  const headLength = head.indexOf(CRLF + CRLF);
  if (headLength < 0 && start + head.length < end) {
    throw malformed(`the headers of a part are longer than ${MAX_HEAD_BYTES} bytes`);
  }
  const text = head.toString('utf8', 0, headLength < 0 ? head.length : headLength);
  const valueStart = headLength < 0 ? end : start + headLength + 2 * CRLF.length;
  return { ...describePart(readHead(text)), chunks: body.slice(valueStart, end), sizeBytes: end - valueStart };
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
