// The parameters of a management request, from its query string and its JSON body, read by the dialect's rules: refuse what cannot be read,
// or take the default in its place.
import type { Dialect } from '../config/dialect.ts';
import { didYouMean } from '../core/did-you-mean.ts';
import { ServingError } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';
import { parseParameterizedHeader } from './media-type.ts';
import { wholeBody } from './open-body.ts';

type Policy = Dialect['parameters']['policy'];

const WHOLE = /^[+-]?\d{1,10}$/;
const MAX_WHOLE = 2_147_483_647;
/** TorchServe reads no more than this many. */
const MAX_PARAMETERS = 1024;
/** JSON of parameters is read at once, while everybody else waits. */
const MAX_JSON_BYTES = 1024 * 1024;

/** Reads the body to its end and gives the parameters of query and body; unknown names are refused under the strict policy. */
export async function readParameters(
  exchange: Exchange,
  dialect: Dialect,
  known: readonly string[],
): Promise<Parameters> {
  const json = await readJson(exchange);
  const isJson = json !== '';
  const isQueryRead = !isJson || dialect.parameters.isQueryReadWithBody;
  const values = new Map<string, string>(isQueryRead ? queryValues(exchange.query) : []);
  if (isJson) for (const [name, value] of bodyValues(json, dialect.parameters.policy)) values.set(name, value);
  const parameters = new Parameters(values, dialect.parameters.policy);
  parameters.checkNames(known);
  return parameters;
}

export class Parameters {
  readonly #values: ReadonlyMap<string, string>;
  readonly #policy: Policy;

  constructor(values: ReadonlyMap<string, string>, policy: Policy) {
    this.#values = values;
    this.#policy = policy;
  }

  /** A text; undefined when absent or empty. */
  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === '' ? undefined : value;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** A whole number within bounds; undefined when absent, or when it cannot be used and the policy is lenient. */
  whole(name: string, min: number, max = MAX_WHOLE): number | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    const value = WHOLE.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    if (this.#policy === 'lenient') return undefined;
    const range = max === MAX_WHOLE ? `of at least ${min}` : `from ${min} to ${max}`;
    throw invalid(name, `a whole number ${range}`, text);
  }

  /** true or false; undefined when absent. Lenient: whatever is not `true` is false. */
  flag(name: string): boolean | undefined {
    const text = this.#values.get(name)?.toLowerCase();
    if (text === undefined) return undefined;
    if (text === 'true' || text === 'false' || this.#policy === 'lenient') return text === 'true';
    throw invalid(name, 'true or false', text);
  }

  /** One of these words, in any letter case; undefined when absent, or when it is another one and the policy is lenient. */
  word<W extends string>(name: string, words: readonly W[]): W | undefined {
    const text = this.#values.get(name);
    if (text === undefined) return undefined;
    const word = words.find((known) => known === text.toLowerCase());
    if (word !== undefined || this.#policy === 'lenient') return word;
    throw invalid(name, words.join(' or '), text);
  }

  checkNames(known: readonly string[]): void {
    if (this.#policy === 'lenient') return;
    for (const name of this.#values.keys()) {
      if (known.includes(name)) continue;
      const hint = didYouMean(name, known) || `; known are: ${known.join(', ') || 'none'}`;
      throw new ServingError('UNKNOWN_PARAMETER', `Unknown parameter "${name.slice(0, 80)}"${hint}`, {
        parameter: name,
      });
    }
  }
}

/** Name → value, the first of a name counts; `;` separates as well as `&`. */
function queryValues(query: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query.replaceAll(';', '&'))) {
    if (!values.has(name) && values.size < MAX_PARAMETERS) values.set(name, value);
  }
  return values;
}

/** The body if it is JSON, "" if not. Rejects with INVALID_BODY for more than parameters need. */
async function readJson(exchange: Exchange): Promise<string> {
  const text = await exchange.readBody('', async (body) => {
    try {
      if (parseParameterizedHeader(exchange.contentType).value !== 'application/json') return '';
      return body.sizeBytes <= MAX_JSON_BYTES ? (await wholeBody(body)).toString('utf8') : undefined;
    } finally {
      body.discard();
    }
  });
  if (text !== undefined) return text;
  const message = `The JSON body of a management request may have at most ${MAX_JSON_BYTES} bytes.`;
  throw new ServingError('INVALID_BODY', message);
}

function bodyValues(text: string, policy: Policy): Map<string, string> {
  const document = parseJson(policy === 'lenient' ? text.replaceAll("'", '"') : text);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new ServingError('INVALID_BODY', 'The JSON body of a management request must be an object.');
  }
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(document)) {
    if (value === null) continue;
    if (typeof value === 'object') throw invalid(name, 'a text, a number or a boolean', JSON.stringify(value));
    values.set(name, String(value));
  }
  return values;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ServingError('INVALID_BODY', `The JSON body cannot be read: ${why}`);
  }
}

function invalid(name: string, expected: string, found: string): ServingError {
  const message = `Parameter ${name}: expected ${expected}, found "${found.slice(0, 80)}"`;
  return new ServingError('INVALID_PARAMETER', message, { parameter: name, value: found });
}
