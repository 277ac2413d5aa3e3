// Java .properties text: bytes to text, text to pairs, and the $$NAME$$ places that take a value from the environment. It knows no
// setting by name; where the file lies and what its keys mean is for load-config and server-settings.
import { ConfigError } from './config-error.ts';

/**
 * The text of a properties file. Java reads such files as ISO-8859-1, most editors write UTF-8: bytes that are valid UTF-8 are read as
 * UTF-8 (a byte order mark is dropped), all others as ISO-8859-1.
 */
export function decodeProperties(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  }
}

/**
 * The pairs of a properties text, a later duplicate replacing an earlier one.
 * @param file what to call the text in an error
 * @throws ConfigError for a broken \uXXXX, with its line
 */
export function parseProperties(text: string, file: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const { rawKey, rawValue } = splitPair(line.text);
    const where = `${file}: line ${line.number}`;
    pairs.set(resolveEscapes(rawKey, where), resolveEscapes(rawValue, where));
  }
  return pairs;
}

/**
 * The pairs with every `$$NAME$$` in a value (a name has two characters or more) replaced by that environment variable. What is put in is
 * not searched again.
 * @throws ConfigError for a variable that is not set; it names the key and the variable, never the value
 */
export function substituteEnvironment(
  pairs: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
  file: string,
): Map<string, string> {
  const fill = (key: string) => (_: string, name: string) => {
    const value = Object.hasOwn(env, name) ? env[name] : undefined;
    if (value !== undefined) return value;
    throw new ConfigError(
      `${file}: ${key}: the environment variable ${name} is not set; set it, or write the value in place of $$${name}$$`,
    );
  };
  return new Map([...pairs].map(([key, value]) => [key, value.replace(/\$\$([^$]{2,})\$\$/g, fill(key))]));
}

/** Lines joined where one ends in a backslash, without comments and blank ones; `number` counts from 1 and is the first joined line's. */
function* logicalLines(text: string): Generator<{ readonly text: string; readonly number: number }> {
  const lines = text.split(/\r\n|\n|\r/);
  for (let index = 0; index < lines.length; index++) {
    const number = index + 1;
    let joined = withoutIndent(lines[index]);
    if (joined === '' || joined.startsWith('#') || joined.startsWith('!')) continue;
    while (isContinued(joined)) {
      index++;
      joined = joined.slice(0, -1) + withoutIndent(lines[index]);
    }
    yield { text: joined, number };
  }
}

function withoutIndent(line: string | undefined): string {
  return (line ?? '').replace(/^[ \t\f]+/, '');
}

/** Whether the last backslash escapes the end of the line: an even number of them escape one another. */
function isContinued(line: string): boolean {
  let backslashes = 0;
  while (line[line.length - 1 - backslashes] === '\\') backslashes++;
  return backslashes % 2 === 1;
}

/** A key ends at the first `=`, `:` or blank that no backslash escapes; blanks around one separator belong to neither side. */
function splitPair(line: string): { readonly rawKey: string; readonly rawValue: string } {
  let end = 0;
  while (end < line.length && !/[=: \t\f]/.test(line[end] ?? '')) end += line[end] === '\\' ? 2 : 1;
  return { rawKey: line.slice(0, end), rawValue: line.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '') };
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['t', '\t'],
  ['n', '\n'],
  ['r', '\r'],
  ['f', '\f'],
]);

function resolveEscapes(raw: string, where: string): string {
  return raw.replace(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_, escaped: string) => {
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    if (escaped === 'u') {
      throw new ConfigError(
        `${where}: \\u must be followed by four hexadecimal digits; write a backslash itself as \\\\`,
      );
    }
    return ESCAPES.get(escaped) ?? escaped;
  });
}
