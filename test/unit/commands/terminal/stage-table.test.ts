import { expect, it } from 'vitest';
import { duration, stageTable } from '../../../../src/commands/terminal/stage-table.ts';

it.each([
  [0.351, '0.35 ms'],
  [12.4, '12 ms'],
  [999.4, '999 ms'],
  [1250, '1.25 s'],
])('%d ms are shown as %s', (ms, text) => expect(duration(ms)).toBe(text));

it('stages stand below each other', () => {
  expect(
    stageTable([
      ['load', 143],
      ['handler', 3.2],
    ]),
  ).toBe('load      143 ms\nhandler  3.20 ms\n');
});
