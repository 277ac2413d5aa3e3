// Text of a setting → typed value, for the simple kinds. Every parser takes text without blanks around it and throws UnusableValue
// with what it expected; an empty text is "not set" where a setting may be absent.
import { type ListenAddress, parseListenAddress } from './listen-address.ts';
import { UnusableValue } from './unusable-value.ts';

/** Reads the text of one setting. */
export type SettingParser<T> = (text: string) => T;

/** The longest time that a timer of Node can wait, in seconds: about 24 days. */
export const MAX_TIMER_SEC = 2_147_483;

/** A parser of `true` or `false` in any case. TorchServe takes every other text as false; a security switch must not guess. */
export function parseBoolean(text: string): boolean {
  const word = text.toLowerCase();
  if (word === 'true' || word === 'false') return word === 'true';
  throw new UnusableValue('expected true or false');
}

/** A parser of whole numbers between two bounds, both included. */
export function wholeNumber(min: number, max: number = Number.MAX_SAFE_INTEGER): SettingParser<number> {
  const expected = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  return (text) => {
    const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UnusableValue(`expected a whole number ${expected}`);
  };
}

/** A parser that reads an empty text as undefined. */
export function optional<T>(parse: SettingParser<T>): SettingParser<T | undefined> {
  return (text) => (text === '' ? undefined : parse(text));
}

/** A parser of text that must not be empty. */
export function parseText(text: string): string {
  if (text !== '') return text;
  throw new UnusableValue('expected a value; leave the setting out for its default');
}

/** The name of an HTTP header. */
export function parseHeaderName(text: string): string {
  if (/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(text)) return text;
  throw new UnusableValue("expected the name of an HTTP header: letters, digits and !#$%&'*+-.^_`|~");
}

/** A parser of one of some words, in any case. */
export function oneOf<T extends string>(words: readonly T[]): SettingParser<T> {
  return (text) => {
    const found = words.find((word) => word === text.toLowerCase());
    if (found !== undefined) return found;
    throw new UnusableValue(`expected ${words.join(' or ')}`);
  };
}

/** A parser of listen addresses with the port that counts when none is written. */
export function address(portWhenOmitted: number): SettingParser<ListenAddress> {
  return (text) => parseListenAddress(text, portWhenOmitted);
}
