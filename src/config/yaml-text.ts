// YAML text from a stranger's archive → a value that JSON can carry. YAML 1.1, as PyYAML and TorchServe read it. It bounds nesting and
// expansion, refuses tags that make objects, and knows no key; model-config does.
import type { Document, ParsedNode, YAMLError } from 'yaml';

/** A text that is not YAML, or not YAML that we take; `message` says what and where. */
export class UnusableYaml extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'UnusableYaml';
  }
}

/** Deeper nesting overflows the stack of the YAML library, which can end the process. */
const MAX_NESTING = 100;
/** Parsing holds up the event loop: about a second for the largest text on a slow machine. */
const MAX_TEXT_LENGTH = 262_144;
/** How often one anchor may be used; each use is a copy in the result. */
const MAX_USES_OF_ANCHOR = 100;
/** How many uses of anchors a text may have; the library walks the whole document for each. */
const MAX_ALIASES = 1000;
const MAX_VALUES = 1_000_000;

/**
 * Parses one YAML document; an empty one is null. Dates become ISO 8601 text, binaries base64, sets lists, NaN and the infinities text,
 * and keys text. A key that occurs twice has its last value.
 * @throws UnusableYaml
 */
export async function parseYaml(text: string): Promise<unknown> {
  if (text.length > MAX_TEXT_LENGTH) {
    throw new UnusableYaml(`longer than ${MAX_TEXT_LENGTH} characters; keep large data in a file of its own`);
  }
  // Loaded when the first archive with a configuration comes: the server starts without it.
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  };
  try {
    const document = composeDocument(yaml, text, lines, at);
    const problem: YAMLError | undefined = document.errors[0] ?? document.warnings[0];
    if (problem !== undefined) throw new UnusableYaml(`${at(problem.pos[0])}: ${problem.message}`, problem);
    return toJson(document.toJS({ mapAsMap: true, maxAliasCount: MAX_USES_OF_ANCHOR }), { valuesLeft: MAX_VALUES }, 0);
  } catch (error) {
    if (error instanceof UnusableYaml) throw error;
    throw new UnusableYaml(error instanceof Error ? error.message : String(error), error);
  }
}

type YamlModule = typeof import('yaml');

/** The library's own steps, one by one, so that nesting is seen before the recursive ones meet it. */
function composeDocument(
  yaml: YamlModule,
  text: string,
  lines: InstanceType<YamlModule['LineCounter']>,
  at: (offset: number) => string,
): Document.Parsed<ParsedNode> {
  const parser = new yaml.Parser(lines.addNewLine);
  // `uniqueKeys` compares every key with every other, minutes of work for a large map.
  const composer = new yaml.Composer({ version: '1.1', schema: 'yaml-1.1', merge: true, uniqueKeys: false });
  lines.addNewLine(0);
  const tokens = [];
  let aliases = 0;
  for (const lexeme of new yaml.Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      if (token.type === 'error') throw new UnusableYaml(`${at(token.offset)}: ${token.message}`);
      tokens.push(token);
    }
    // Plain text begins with a mark of the lexer's own, so only an alias begins with its star.
    if (lexeme.startsWith('*')) aliases++;
    if (aliases > MAX_ALIASES)
      throw new UnusableYaml(`${at(parser.offset)}: anchors are used more than ${MAX_ALIASES} times`);
    if (parser.stack.length > MAX_NESTING) {
      throw new UnusableYaml(`${at(parser.offset)}: nested more than ${MAX_NESTING} levels deep`);
    }
  }
  for (const token of parser.end()) tokens.push(token);
  const [document, second] = composer.compose(tokens, true, text.length);
  if (document === undefined) throw new UnusableYaml('there is no document');
  if (second !== undefined)
    throw new UnusableYaml(`${at(second.range[0])}: a second document begins; only one is read`);
  return document;
}

interface Budget {
  valuesLeft: number;
}

function toJson(value: unknown, budget: Budget, depth: number): unknown {
  budget.valuesLeft--;
  if (budget.valuesLeft < 0) throw new UnusableYaml(`more than ${MAX_VALUES} values; anchors are used too often`);
  if (depth > MAX_NESTING) throw new UnusableYaml('a value contains itself, or is nested too deep');
  if (value instanceof Map) {
    const entries = [...value].map(([key, item]) => [toKey(key), toJson(item, budget, depth + 1)] as const);
    // Unlike assignment, fromEntries makes an own property even of `__proto__`.
    return Object.fromEntries(entries);
  }
  if (Array.isArray(value)) return value.map((item) => toJson(item, budget, depth + 1));
  if (value instanceof Set) return [...value].map((item) => toJson(item, budget, depth + 1));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? String(value) : value.toISOString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'bigint') return String(value);
  return value ?? null;
}

function toKey(key: unknown): string {
  if (typeof key === 'object' && key !== null && !(key instanceof Date)) {
    throw new UnusableYaml('a list or a map is used as a key; use text');
  }
  return key instanceof Date ? key.toISOString() : String(key);
}
