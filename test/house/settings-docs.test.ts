// The table of settings and its page say the same.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../../src/config/dialect.ts';
import { KNOWN_SETTINGS } from '../../src/config/server-settings.ts';

const page = readFileSync(new URL('../../docs/reference/settings.md', import.meta.url), 'utf8');
const rows = page
  .split('\n')
  .map((line) => line.split(' | '))
  .filter((cells) => cells.length === 6 && /^\| `\w+`$/.test(cells[0] ?? ''));

const inCode = (text: string | undefined) => (text === undefined || text === '' ? '–' : `\`${text}\``);

describe('docs/reference/settings.md', () => {
  it('has one row for each known setting, with its defaults, variable and status', () => {
    const documented = rows.map((cells) => cells.slice(0, 5).join(' | '));
    const known = [...KNOWN_SETTINGS].map(([key, setting]) =>
      [
        `| ${inCode(key)}`,
        inCode(setting.defaultText(DIALECTS.documented)),
        inCode(setting.defaultText(DIALECTS.torchserve)),
        inCode(setting.env),
        { applied: 'applied', replaced: 'replaced', later: 'not yet' }[setting.status],
      ].join(' | '),
    );
    expect(documented.toSorted()).toEqual(known.toSorted());
  });

  it('says what each setting means', () => {
    expect(rows.filter((cells) => (cells[5] ?? '').replace(/\|$/, '').trim().length < 10)).toEqual([]);
  });
});
