// Reads a section of model-config.yaml (`onnx:`, `image:`, `classification:`) strictly: an unknown key or a value of the wrong kind ends the
// loading with an error that names it.
import { LoadError } from './load-error.ts';

type Fields = Readonly<Record<string, unknown>>;

export class SettingsSection {
  readonly #name: string;
  readonly #fields: Fields;

  /** `name` is the section's path in the file, `keys` all that it may have. */
  constructor(name: string, value: unknown, keys: readonly string[]) {
    this.#name = name;
    if (value !== null && value !== undefined && !isFields(value)) throw this.#wrong('', 'a mapping', value);
    this.#fields = isFields(value) ? value : {};
    for (const key of Object.keys(this.#fields)) {
      if (!keys.includes(key)) {
        throw invalid(`${name}.${key} is not a setting; the settings of ${name} are ${keys.join(', ')}.`);
      }
    }
  }

  has(key: string): boolean {
    return this.#fields[key] !== undefined && this.#fields[key] !== null;
  }

  section(key: string, keys: readonly string[]): SettingsSection {
    return new SettingsSection(`${this.#name}.${key}`, this.#fields[key], keys);
  }

  /** A whole number of at least `min`; undefined when absent. */
  whole(key: string, min: number): number | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value;
    throw this.#wrong(key, `a whole number of at least ${min}`, value);
  }

  /** A whole number of at least `min`, or one of these words; undefined when absent. */
  wholeOr<const Word extends string>(key: string, min: number, words: readonly Word[]): number | Word | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min) return value;
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    throw this.#wrong(key, `a whole number of at least ${min}, or ${words.join(' or ')}`, value);
  }

  /** A number, or a fraction such as `1/255`; undefined when absent. */
  number(key: string): number | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    const fraction = typeof value === 'string' ? /^\s*(\d+(?:\.\d+)?)\s*\/\s*(\d+(?:\.\d+)?)\s*$/.exec(value) : null;
    const number = fraction === null ? value : Number(fraction[1]) / Number(fraction[2]);
    if (typeof number === 'number' && Number.isFinite(number)) return number;
    throw this.#wrong(key, 'a number, or a fraction such as 1/255', value);
  }

  /** A list of numbers, or one number for a list of one; undefined when absent. */
  numbers(key: string): readonly number[] | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length > 0 && list.every((item) => typeof item === 'number' && Number.isFinite(item)))
      return list as readonly number[];
    throw this.#wrong(key, 'a list of numbers', value);
  }

  text(key: string): string | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'string') return value;
    throw this.#wrong(key, 'a text', value);
  }

  flag(key: string): boolean | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'boolean') return value;
    throw this.#wrong(key, 'true or false', value);
  }

  /** One of these words; undefined when absent. */
  choice<const Word extends string>(key: string, words: readonly Word[]): Word | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    throw this.#wrong(key, `one of ${words.join(', ')}`, value);
  }

  /** A list of these words, or one of them; undefined when absent. */
  choices<const Word extends string>(key: string, words: readonly Word[]): readonly Word[] | undefined {
    const value = this.#fields[key];
    if (value === undefined || value === null) return undefined;
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    const chosen = list.flatMap((item) => words.find((word) => word === item) ?? []);
    if (chosen.length === list.length && chosen.length > 0) return chosen;
    throw this.#wrong(key, `a list of ${words.join(', ')}`, value);
  }

  /** The failure that this key's value stands for. */
  invalid(key: string, message: string): LoadError {
    return invalid(`${this.#name}.${key} ${message}`);
  }

  #wrong(key: string, expected: string, value: unknown): LoadError {
    const path = key === '' ? this.#name : `${this.#name}.${key}`;
    return invalid(`${path} must be ${expected}; found ${JSON.stringify(value)}.`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string): LoadError {
  return new LoadError('HANDLER_INITIALIZE_FAILED', `model-config.yaml: ${message}`);
}
