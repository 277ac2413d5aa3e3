// File name patterns as Python's glob has them: `*`, `?` and `[…]` within one part of a path; a leading dot must be written out.
import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';

/** Whether the text has a globbing character. */
export function isPattern(text: string): boolean {
  return /[*?[]/.test(text);
}

/** The paths that fit, sorted, written as the pattern is (relative or absolute); empty when nothing fits. */
export async function pathsMatching(pattern: string): Promise<string[]> {
  const parts = pattern.split('/').filter((part) => part !== '');
  let found = [isAbsolute(pattern) ? '/' : ''];
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    const next = await Promise.all(found.map((folder) => namesIn(folder, part)));
    found = next.flat();
    if (!isLast) found = (await Promise.all(found.map(folderOnly))).flat();
  }
  return found.sort();
}

async function namesIn(folder: string, part: string): Promise<string[]> {
  if (!isPattern(part)) {
    const path = join(folder, part);
    return (await isThere(path)) ? [path] : [];
  }
  const fits = matcher(part);
  const names = await readdir(folder === '' ? '.' : folder).catch(() => []);
  return names.filter((name) => fits(name)).map((name) => join(folder, name));
}

async function folderOnly(path: string): Promise<string[]> {
  const status = await stat(path).catch(() => undefined);
  return status?.isDirectory() === true ? [path] : [];
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Decides whether a name fits one part of a pattern, in time that grows with their lengths only. */
function matcher(part: string): (name: string) => boolean {
  const tokens = tokensOf(part);
  return (name) => {
    if (name.startsWith('.') && !part.startsWith('.')) return false;
    const characters = [...name];
    // Where the pattern may stand after each character; a star stays where it is.
    let places = withStars(new Set([0]), tokens);
    for (const character of characters) {
      const next = new Set<number>();
      for (const place of places) {
        const token = tokens[place];
        if (token === '*') next.add(place);
        else if (token?.(character) === true) next.add(place + 1);
      }
      places = withStars(next, tokens);
    }
    return places.has(tokens.length);
  };
}

type Token = '*' | ((character: string) => boolean);

function withStars(places: Set<number>, tokens: readonly Token[]): Set<number> {
  for (const place of places) if (tokens[place] === '*') places.add(place + 1);
  return places;
}

function tokensOf(part: string): Token[] {
  const tokens: Token[] = [];
  const characters = [...part];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? '';
    // The first character of a class may be its closing bracket.
    const firstMember = at + (characters[at + 1] === '!' ? 2 : 1);
    const end = character === '[' ? characters.indexOf(']', firstMember + 1) : -1;
    if (character === '*') tokens.push('*');
    else if (character === '?') tokens.push(() => true);
    else if (end > 0) {
      tokens.push(classToken(characters.slice(firstMember, end), characters[at + 1] === '!'));
      at = end;
    } else tokens.push((other) => other === character);
  }
  return tokens;
}

function classToken(members: readonly string[], isNegated: boolean): Token {
  const ranges: (readonly [string, string])[] = [];
  for (let at = 0; at < members.length; at++) {
    const from = members[at] ?? '';
    const isRange = members[at + 1] === '-' && at + 2 < members.length;
    ranges.push([from, isRange ? (members[at + 2] ?? '') : from]);
    if (isRange) at += 2;
  }
  return (character) => ranges.some(([from, to]) => from <= character && character <= to) !== isNegated;
}
