// The catalogue of errors, the tables of both dialects and their page say the same.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../../src/config/dialect.ts';
import { ERROR_CODES, type ErrorCode, type ErrorDetails, ServingError } from '../../src/core/errors.ts';
import { errorDocument } from '../../src/http/http-errors.ts';

const page = readFileSync(new URL('../../docs/reference/errors.md', import.meta.url), 'utf8');
const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const rows = page
  .split('\n')
  .filter((line) => /^\| `[A-Z_]+` \|/.test(line))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| |\s*\|$/g, '')));
const rowOf = (code: ErrorCode) => rows.find(([first]) => first === `\`${code}\``) ?? [];

/** The failures of one code that may have statuses of their own. */
const VARIANTS: readonly ErrorDetails[] = [{}, { exitCode: 137 }, { status: 413 }, { status: 422 }];

/** What an error's cell has to say: its type, and its statuses unless the handler chooses them. */
function statementsOf(dialect: keyof typeof DIALECTS, code: ErrorCode): { type: string; statuses: string[] } {
  const documents = VARIANTS.map((details) => ({
    details,
    document: errorDocument(DIALECTS[dialect], new ServingError(code, 'text', details)),
  }));
  const statuses = documents
    .filter(({ details, document }) => document.code !== details.status)
    .map(({ document }) => String(document.code));
  return { type: documents[0]?.document.type ?? '', statuses: [...new Set(statuses)].toSorted() };
}

describe('docs/reference/errors.md', () => {
  it('has one row for each code of the catalogue, and no others', () => {
    expect(rows.map(([first]) => first).toSorted()).toEqual(codes.map((code) => `\`${code}\``).toSorted());
  });

  it.each(codes)('gives status and type of %s in both dialects', (code) => {
    const [, documented = '', torchserve = ''] = rowOf(code);
    for (const [dialect, cell] of [
      ['documented', documented],
      ['torchserve', torchserve],
    ] as const) {
      const { type, statuses } = statementsOf(dialect, code);
      const named = [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word);
      const numbers = [...cell.matchAll(/\b([45]\d\d)\b(?! \d)/g)].map(([, number]) => number ?? '');
      const chosenByHandler = code === 'HANDLER_ERROR' ? ['413'] : [];
      expect(named).toEqual([type]);
      expect([...new Set(numbers)].filter((number) => !chosenByHandler.includes(number)).toSorted()).toEqual(statuses);
    }
  });

  it('says what each failure means and what to do', () => {
    const silent = rows.filter(([, , , meaning = '', remedy = '']) => meaning.length < 15 || remedy.length < 8);
    expect(silent).toEqual([]);
  });
});
