// JSON bytes → values, without losing 64-bit integers: JSON.parse makes every number a double, which holds whole numbers up to 2^53 only.
import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { RequestError } from './request-error.ts';

/** Only literals of sixteen digits and more can be beyond 2^53. */
const LONG_NUMBER = /\d{16}/;

/** The strings and numbers of a text that is known to be JSON. */
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

const LONG_INTEGER = /^-?\d{16,}$/;

/**
 * The value of a JSON text. With `keepsBigIntegers`, whole numbers beyond what a double holds exactly are bigints. Throws RequestError,
 * naming `what`, for bytes that are not JSON.
 */
export function parseJson(bytes: Uint8Array, what: string, keepsBigIntegers: boolean): unknown {
  if (!isUtf8(bytes)) throw new RequestError(`${what} is not UTF-8 text, which JSON has to be.`);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RequestError(`${what} is not JSON: ${reason(error, text)}`);
  }
  if (!keepsBigIntegers || !LONG_NUMBER.test(text)) return value;
  try {
    return parseKeepingBigIntegers(text);
  } catch (error) {
    // JSON.parse itself takes any depth; with a function that looks at each value it does not.
    if (error instanceof RangeError) throw new RequestError(`${what} nests its lists too deep.`);
    throw error;
  }
}

/** Long integers become strings with a mark that the text does not contain, and those become bigints. */
function parseKeepingBigIntegers(text: string): unknown {
  let mark = randomUUID();
  while (text.includes(mark)) mark = randomUUID();
  const marked = text.replace(STRING_OR_NUMBER, (token) => (LONG_INTEGER.test(token) ? `"${mark}${token}"` : token));
  return JSON.parse(marked, (_key, value: unknown) => {
    if (typeof value !== 'string' || !value.startsWith(mark)) return value;
    const integer = BigInt(value.slice(mark.length));
    const number = Number(integer);
    return Number.isSafeInteger(number) ? number : integer;
  });
}

function reason(error: unknown, text: string): string {
  const said = error instanceof Error ? error.message : String(error);
  if (text.trim() === '') return 'it is empty.';
  const hasNotANumber = /(?:^|[[,:\s])-?(?:NaN|Infinity)\b/.test(text);
  return `${said}.${hasNotANumber ? ' JSON has neither NaN nor Infinity: send such tensors in binary.' : ''}`;
}
