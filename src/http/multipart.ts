// multipart/form-data: named parts, their bytes untouched. The body is here as a whole, so it is read in one pass, and values are views of
// the chunks that arrived, or pieces of the file that a large body is in. A line that only looks like a boundary belongs to the value.
import { setImmediate as turn } from 'node:timers/promises';
import { ServingError } from '../core/errors.ts';
import type { JobInput } from '../core/job.ts';
import type { BodyBytes } from './body-bytes.ts';
import { parseParameterizedHeader } from './media-type.ts';

const DEFAULT_FILE_TYPE = 'application/octet-stream';
/** The headers of one part; browsers and clients need a few hundred bytes. */
const MAX_HEAD_BYTES = 16 * 1024;
/** What may stand between a boundary and the end of its line, the line end included. */
const MAX_PADDING_BYTES = 256;
/** Clients choose a boundary that their values do not have: millions of lines that begin like it are no form, but an attack. */
const MAX_LOOKALIKES = 1_000_000;
/** After so many, others have their turn. */
const LOOKALIKES_PER_TURN = 1_000;
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
export async function parseMultipart(
  body: BodyBytes,
  boundary: string | undefined,
  maxParts: number,
): Promise<JobInput[]> {
  if (boundary === undefined || boundary === '') throw malformed('its Content-Type names no boundary');
  const inputs: JobInput[] = [];
  let before = await firstDelimiter(body, boundary);
  while (!before.isLast) {
    // The line end of a part's last header may be that of the boundary: such a part has no value.
    const after = await nextDelimiter(body, boundary, before.end - CRLF.length);
    inputs.push(await readPart(body, before.end, Math.max(before.end, after.start)));
    if (inputs.length > maxParts) throw malformed(`it has more than ${maxParts} parts`);
    before = after;
  }
  return inputs;
}

async function firstDelimiter(body: BodyBytes, boundary: string): Promise<Delimiter> {
  const line = Buffer.from(`--${boundary}`);
  const isAtStart = (await body.copy(0, line.length)).equals(line);
  const atStart = isAtStart ? await delimiterAt(body, 0, line.length) : undefined;
  return atStart ?? nextDelimiter(body, boundary, 0);
}

async function nextDelimiter(body: BodyBytes, boundary: string, from: number): Promise<Delimiter> {
  const line = Buffer.from(`${CRLF}--${boundary}`);
  let start = await body.indexOf(line, from);
  for (let lookalikes = 0; start >= 0; lookalikes += 1) {
    const found = await delimiterAt(body, start, start + line.length);
    if (found !== undefined) return found;
    if (lookalikes === MAX_LOOKALIKES) throw malformed('a value has too many lines that begin like its boundary');
    if (lookalikes % LOOKALIKES_PER_TURN === LOOKALIKES_PER_TURN - 1) await turn();
    start = await body.indexOf(line, start + 1);
  }
  throw malformed('it ends before its last boundary');
}

/** The delimiter whose dashes and boundary end at `end`, or undefined when the line goes on with something else. */
async function delimiterAt(body: BodyBytes, start: number, end: number): Promise<Delimiter | undefined> {
  const padding = await body.copy(end, end + MAX_PADDING_BYTES);
  const [rest = ''] = /^(?:--|[ \t]*\r\n)/.exec(padding.toString('latin1')) ?? [];
  return rest === '' ? undefined : { start, end: end + rest.length, isLast: rest === '--' };
}

async function readPart(body: BodyBytes, start: number, end: number): Promise<JobInput> {
  const head = await body.copy(start, Math.min(end, start + MAX_HEAD_BYTES));
  const headLength = head.indexOf(CRLF + CRLF);
  if (headLength < 0 && start + head.length < end) {
    throw malformed(`the headers of a part are longer than ${MAX_HEAD_BYTES} bytes`);
  }
  const text = head.toString('utf8', 0, headLength < 0 ? head.length : headLength);
  const valueStart = headLength < 0 ? end : start + headLength + 2 * CRLF.length;
  return { ...describePart(readHead(text)), ...(await body.piece(valueStart, end)) };
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
