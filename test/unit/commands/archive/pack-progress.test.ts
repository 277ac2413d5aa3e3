import { expect, it } from 'vitest';
import { PackProgress } from '../../../../src/commands/archive/pack-progress.ts';
import { countText, printable, sizeText } from '../../../../src/commands/terminal/words.ts';

function drawn(isTTY: boolean, columns: number, steps: readonly (readonly [atMs: number, bytes: number])[]): string[] {
  let now = 0;
  const lines: string[] = [];
  const stream = { isTTY, columns, write: (text: string) => lines.push(text) };
  const progress = new PackProgress(stream, 'm.mar', 2_000_000_000, () => now);
  for (const [atMs, bytes] of steps) {
    now = atMs;
    progress.addBytes(bytes);
  }
  progress.end();
  return lines.map((line) => line.replace('\r\x1b[K', '').replace(/\r$/, ''));
}

it('shows the share, the sizes and the speed on a terminal, at most ten times a second, and goes away', () => {
  const lines = drawn(true, 120, [
    [1000, 500_000_000],
    [1050, 1],
    [2000, 499_999_999],
  ]);
  expect(lines).toEqual([
    'm.mar ██████░░░░░░░░░░░░░░░░░░  25 %  500.0 MB of 2.0 GB  500 MB/s',
    'm.mar ████████████░░░░░░░░░░░░  50 %  1.0 GB of 2.0 GB  500 MB/s',
    '',
  ]);
});

it('never wraps', () => {
  expect(drawn(true, 20, [[1000, 5]])[0]).toHaveLength(19);
});

it('is silent where there is no terminal', () => {
  expect(drawn(false, 120, [[1000, 500_000_000]])).toEqual([]);
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [999_949, '999.9 kB'],
  [999_951, '1.0 MB'],
  [44_700_000, '44.7 MB'],
  [2_000_000_000_000_000, '2000.0 TB'],
])('writes %i bytes as %s', (bytes, text) => {
  expect(sizeText(bytes)).toBe(text);
});

it('counts in words', () => {
  expect([countText(0, 'file'), countText(1, 'file'), countText(2, 'file')]).toEqual(['0 files', '1 file', '2 files']);
});

it('lets no text steer the terminal', () => {
  expect(printable('a\x1b[2Jb\rc\u202Ed\ne ü 日本')).toBe('a\\u{1b}[2Jb\\u{d}c\\u{202e}d\ne ü 日本');
});
