import { describe, expect, it } from 'vitest';
import {
  archiverHelp,
  archiverUsageError,
  parseArchiverArgs,
} from '../../../../src/commands/archive/archiver-flags.ts';

const parse = (line: string) => parseArchiverArgs(line === '' ? [] : line.split(' '));
const REQUIRED = '--model-name m --handler h -v 1';

describe('a command line of torch-model-archiver', () => {
  it('has the defaults of torch-model-archiver', () => {
    expect(parse(REQUIRED)).toEqual({
      kind: 'flags',
      flags: {
        modelName: 'm',
        serializedFile: undefined,
        modelFile: undefined,
        handler: 'h',
        extraFiles: undefined,
        runtime: 'python',
        exportPath: undefined,
        archiveFormat: 'default',
        force: false,
        version: '1',
        requirementsFile: undefined,
        configFile: undefined,
      },
    });
  });

  it.each([
    ['--serialized-file w.pt', { serializedFile: 'w.pt' }],
    ['--serialized-file=w.pt', { serializedFile: 'w.pt' }],
    ['--serialized-file=', { serializedFile: '' }],
    ['--ser w.pt', { serializedFile: 'w.pt' }],
    ['--ser=w.pt', { serializedFile: 'w.pt' }],
    ['--model-file net.py', { modelFile: 'net.py' }],
    ['--extra-files a,b', { extraFiles: 'a,b' }],
    ['--runtime python3', { runtime: 'python3' }],
    ['--runtime LSP', { runtime: 'LSP' }],
    ['--export-path out', { exportPath: 'out' }],
    ['--archive-format tgz', { archiveFormat: 'tgz' }],
    ['--archive-format no-archive', { archiveFormat: 'no-archive' }],
    ['-f', { force: true }],
    ['--force', { force: true }],
    ['--version 2.1', { version: '2.1' }],
    ['-v2.1', { version: '2.1' }],
    ['-v=2.1', { version: '2.1' }],
    ['-v -1', { version: '-1' }],
    ['-fv 2.1', { version: '2.1', force: true }],
    ['-fv2.1', { version: '2.1', force: true }],
    ['-r reqs.txt', { requirementsFile: 'reqs.txt' }],
    ['--requirements-file reqs.txt', { requirementsFile: 'reqs.txt' }],
    ['-c conf.yaml', { configFile: 'conf.yaml' }],
    ['--config-file conf.yaml', { configFile: 'conf.yaml' }],
    ['-v 2 -v 3', { version: '3' }],
  ])('%s', (line, flags) => {
    expect(parse(`${REQUIRED} ${line}`)).toMatchObject({ kind: 'flags', flags });
  });

  it('takes a value with a dash and a space in it', () => {
    expect(parseArchiverArgs([...REQUIRED.split(' '), '--extra-files', '-a b'])).toMatchObject({
      flags: { extraFiles: '-a b' },
    });
  });

  it.each([
    ['', 'the following arguments are required: --model-name, --handler, -v/--version'],
    ['--model-name m -v 1', 'the following arguments are required: --handler'],
    [`${REQUIRED} --nope 1`, 'unrecognized arguments: --nope 1'],
    [`${REQUIRED} stray`, 'unrecognized arguments: stray'],
    [`${REQUIRED} -- -f`, 'unrecognized arguments: -f'],
    [`${REQUIRED} -x`, 'unrecognized arguments: -x'],
    ['--mo m', 'ambiguous option: --mo could match --model-name, --model-file'],
    [`${REQUIRED} --runtime`, 'argument --runtime: expected one argument'],
    [`${REQUIRED} --runtime -f`, 'argument --runtime: expected one argument'],
    [`${REQUIRED} -v`, 'argument -v/--version: expected one argument'],
    [`${REQUIRED} --force=1`, "argument -f/--force: ignored explicit argument '1'"],
    [`${REQUIRED} -fx`, "argument -f/--force: ignored explicit argument 'x'"],
    [
      `${REQUIRED} --runtime ruby`,
      "argument --runtime: invalid choice: 'ruby' (choose from 'python', 'python3', 'LSP')",
    ],
    [
      `${REQUIRED} --archive-format zip`,
      "argument --archive-format: invalid choice: 'zip' (choose from 'tgz', 'no-archive', 'zip-store', 'default')",
    ],
  ])('%j is refused', (line, message) => {
    expect(parse(line)).toEqual({ kind: 'error', message });
  });

  it.each(['-h', '--help', '--he', '-fh', `-h --nope`])('%s asks for help, whatever is missing', (line) => {
    expect(parse(line)).toEqual({ kind: 'help' });
  });

  it('shows usage before an error, and every flag in the help', () => {
    expect(archiverUsageError('bad')).toMatch(
      /^usage: torch-model-archiver \[-h\] --model-name[\s\S]*\ntorch-model-archiver: error: bad\n$/,
    );
    for (const flag of [
      '--serialized-file',
      '--model-file',
      '--extra-files',
      '--export-path',
      '-r',
      '-c',
      '-f',
      '-v',
    ]) {
      expect(archiverHelp()).toMatch(new RegExp(`^  ${flag}[ ,]`, 'm'));
    }
  });
});
