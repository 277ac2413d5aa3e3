// docs/reference/command-line.md has each flag of the archive commands, and none that they do not have.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { archiverHelp } from '../../src/commands/archive/archiver-flags.ts';
import { addArchiveCommand } from '../../src/commands/archive.ts';

const PAGE = readFileSync(fileURLToPath(new URL('../../docs/reference/command-line.md', import.meta.url)), 'utf8');

/** The names in the first column of a section's first table. */
function documentedFlags(section: string): string[] {
  const text = PAGE.split(/^## /m).find((each) => each.startsWith(`${section}\n`)) ?? '';
  const cells = [...text.matchAll(/^\| (`-[^|]*) \|/gm)].map(([, cell]) => cell ?? '');
  return cells.flatMap((cell) => [...cell.matchAll(/`(-[\w-]+)/g)].map(([, name]) => name ?? '')).sort();
}

const program = new Command('sconce');
addArchiveCommand(program, '0.0.0');
const commands = program.commands.flatMap((archive) => archive.commands);

describe('docs/reference/command-line.md', () => {
  it.each(commands.map((command) => [command.name(), command] as const))(
    'has the flags of archive %s',
    (name, command) => {
      const flags = command.options.flatMap(({ flags: text }) => [...text.matchAll(/-[\w-]+/g)].map(([flag]) => flag));
      expect(documentedFlags(`archive ${name}`)).toEqual(flags.sort());
    },
  );

  it('has the flags of torch-model-archiver', () => {
    const rows = [...archiverHelp().matchAll(/^ {2}(-.*)$/gm)].map(([, row]) => row ?? '');
    const flags = rows.flatMap((row) => [...row.matchAll(/(?:^|, )(-[\w-]+)/g)].map(([, flag]) => flag ?? ''));
    expect(documentedFlags('torch-model-archiver')).toEqual(flags.filter((flag) => !/^-h|^--help/.test(flag)).sort());
  });
});
