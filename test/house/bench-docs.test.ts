// The page about performance names every scenario of the bench, and no other; the bench runs every one that there is.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = `${ROOT}bench/scenarios/`;

const scenarios = readdirSync(FOLDER).map((file) => {
  const text = readFileSync(FOLDER + file, 'utf8');
  return { file, name: /^ {2}name: '([^']+)'/m.exec(text)?.[1] };
});
const names = scenarios.map(({ name }) => name).sort();

describe('docs/performance.md', () => {
  it('has a row for each scenario, and none for others', () => {
    const page = readFileSync(`${ROOT}docs/performance.md`, 'utf8');
    const table = page.split('\n## Scenarios\n')[1]?.split('\n## ')[0] ?? '';
    const firstCells = [...table.matchAll(/^\| (`.+?) \|/gm)].map((match) => match[1] ?? '');
    const named = firstCells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]));
    expect(named.sort()).toEqual(names);
  });
});

describe('bench/scenarios', () => {
  it('names each file after its scenario', () => {
    expect(scenarios.filter(({ file, name }) => file !== `${name}.mjs`)).toEqual([]);
  });

  it('is listed whole by the bench', () => {
    const list = readFileSync(`${ROOT}bench/scenario-list.mjs`, 'utf8');
    const imported = [...list.matchAll(/from '\.\/scenarios\/(.+)\.mjs'/g)].map((match) => match[1]);
    expect(imported.sort()).toEqual(names);
  });
});
