// What every source file keeps to: it says what it owns, it stays small, it exports its own things under their names.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));
const MAX_LINES = 300;

/** Files that may be longer, each with its reason. */
const MAY_BE_LONG: Readonly<Record<string, string>> = {};

/** Files of core/ and workers/ that ask the clock on the wall, which somebody may set, each with its reason. Whatever waits has another one. */
const MAY_ASK_THE_WALL: Readonly<Record<string, string>> = {
  'workers/worker.ts': 'descriptions say when',
  'workers/pool-scaler.ts': 'descriptions say when',
  'workers/pool-refusals.ts': 'turns what a description says back into seconds',
  'workers/python-environments.ts': 'files on disk are as old as the wall says',
};

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(`${SRC}/${name}`, 'utf8') }));

const namesOf = (some: typeof files) => some.map(({ name }) => name);

describe('every source file', () => {
  it('opens with a comment on what it owns', () => {
    const silent = files.filter(
      ({ text }) => !/^(?:#!.*\n)?(?:\/\/ .{15,}|\/\*\*? .{15,}|\/\*\*\n \* .{15,})/.test(text),
    );
    expect(namesOf(silent)).toEqual([]);
  });

  it(`has at most ${MAX_LINES} lines, or a reason`, () => {
    const long = files.filter(({ text }) => text.split('\n').length - 1 > MAX_LINES);
    expect(namesOf(long).filter((name) => MAY_BE_LONG[name] === undefined)).toEqual([]);
  });

  it('is named in lower case with hyphens, and not after its having no subject', () => {
    const odd = files.filter(({ name }) => !/^[a-z0-9]+(?:-[a-z0-9]+)*\.ts$/.test(basename(name)));
    const vague = files.filter(({ name }) => /^(?:index|utils?|helpers?|common|misc|types)\.ts$/.test(basename(name)));
    expect(namesOf([...odd, ...vague])).toEqual([]);
  });

  it('passes nothing on that belongs to another file, and exports nothing by default', () => {
    const barrels = files.filter(({ text }) => /^export (?:type )?(?:\*|\{[^}]*\}) ?(?:as \w+ )?from /m.test(text));
    const unnamed = files.filter(({ text }) => /^export default /m.test(text));
    expect(namesOf([...barrels, ...unnamed])).toEqual([]);
  });

  it('waits by a clock that nobody sets', () => {
    const asking = files.filter(({ name, text }) => /^(?:core|workers)\//.test(name) && /\bDate\b[.(]/.test(text));
    expect(namesOf(asking).filter((name) => MAY_ASK_THE_WALL[name] === undefined)).toEqual([]);
  });

  it('leaves no work for later in its comments', () => {
    const unfinished = files.filter(({ text }) => /\b(?:TODO|FIXME|XXX|HACK)\b/.test(text));
    expect(namesOf(unfinished)).toEqual([]);
  });
});
