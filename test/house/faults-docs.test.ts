// docs/architecture/faults.md tells where each fault is tested: every file that it names is there, and names its rows.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(`${ROOT}docs/architecture/faults.md`, 'utf8');

/** Row → the files that test it. */
const rows = new Map(
  [...page.matchAll(/^\| (\d+) \|.*\| ([^|]+) \|$/gm)].map(([, row = '', files = '']) => [
    row,
    [...files.matchAll(/`([^`]+\.(?:ts|py))`/g)].map(([, file = '']) => file),
  ]),
);

it('names only tests that are there', () => {
  const named = [...page.matchAll(/`((?:test|python)\/[^`]+\.(?:ts|py|mjs))`/g)].map(([, file = '']) => file);
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((file) => !existsSync(ROOT + file))).toEqual([]);
});

it('has a row for each one that a test of test/faults names, with that test', () => {
  const missing = readdirSync(`${ROOT}test/faults`).flatMap((name) => {
    const text = readFileSync(`${ROOT}test/faults/${name}`, 'utf8');
    const tested = new Set([...text.matchAll(/(?:test|describe)[^\n]*\(?['`]row (\d+)/g)].map(([, row = '']) => row));
    return [...tested].filter((row) => !rows.get(row)?.includes(`test/faults/${name}`)).map((row) => `${name}: ${row}`);
  });
  expect(missing).toEqual([]);
});
