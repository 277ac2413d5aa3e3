import { describe, expect, it } from 'vitest';
import {
  parseTorchserveArgs,
  type TorchserveFlags,
  torchserveHelp,
  torchserveUsageError,
} from '../../../../src/commands/torchserve/flags.ts';

const NO_FLAGS: TorchserveFlags = {
  foreground: false,
  tsConfig: undefined,
  modelStore: undefined,
  workflowStore: undefined,
  models: undefined,
  logConfig: undefined,
  cppLogConfig: undefined,
  pluginsPath: undefined,
  isWithoutSnapshots: false,
  disableTokenAuth: false,
  enableModelApi: false,
};

function read(line: string) {
  return parseTorchserveArgs(line.split(' ').filter((arg) => arg !== ''));
}

describe('the command line of torchserve', () => {
  it.each([
    ['', {}],
    ['--start', {}],
    ['--start --model-store s --models a.mar', { modelStore: 's', models: ['a.mar'] }],
    [
      '--models a.mar b=b.mar c=http://h/c.mar?x=1 --ncs',
      { models: ['a.mar', 'b=b.mar', 'c=http://h/c.mar?x=1'], isWithoutSnapshots: true },
    ],
    ['--models all --models none', { models: ['none'] }],
    ['--models=all --foreground', { models: ['all'], foreground: true }],
    ['--model-store=a=b', { modelStore: 'a=b' }],
    ['--model-s s --fore', { modelStore: 's', foreground: true }],
    ['--no', { isWithoutSnapshots: true }],
    ['--n', { isWithoutSnapshots: true }],
    ['--d --e', { disableTokenAuth: true, enableModelApi: true }],
    ['--dt --ppath p', { disableTokenAuth: true, pluginsPath: 'p' }],
    ['--plugins-path p --workflow-store w', { pluginsPath: 'p', workflowStore: 'w' }],
    ['--log-config l --cpp-log-config c --ts-config t', { logConfig: 'l', cppLogConfig: 'c', tsConfig: 't' }],
    ['--model-store -5', { modelStore: '-5' }],
  ] satisfies readonly (readonly [string, Partial<TorchserveFlags>])[])('starts with %j', (line, flags) => {
    expect(read(line)).toEqual({ kind: 'start', flags: { ...NO_FLAGS, ...flags } });
  });

  it('takes a value with blanks for a value, also when it begins with a dash', () => {
    expect(parseTorchserveArgs(['--model-store', '- my models'])).toMatchObject({
      kind: 'start',
      flags: { modelStore: '- my models' },
    });
  });

  it.each([
    ['--stop', { kind: 'stop', isAwaited: false }],
    ['--stop --foreground', { kind: 'stop', isAwaited: true }],
    ['--sto', { kind: 'stop', isAwaited: false }],
    ['-v', { kind: 'version' }],
    ['--version', { kind: 'version' }],
    ['-h', { kind: 'help' }],
    ['--model-store s --help --nonsense', { kind: 'help' }],
  ])('knows what else can be asked for: %j', (line, order) => {
    expect(read(line)).toEqual(order);
  });

  it.each([
    ['--start --stop', 'argument --stop: not allowed with argument --start'],
    ['--stop -v', 'argument -v/--version: not allowed with argument --stop'],
    ['--model x', 'ambiguous option: --model could match --model-store, --models'],
    ['--st', 'ambiguous option: --st could match --start, --stop'],
    ['--models', 'argument --models: expected at least one argument'],
    ['--models --start', 'argument --models: expected at least one argument'],
    ['--ts-config', 'argument --ts-config: expected one argument'],
    ['--ts-config --start', 'argument --ts-config: expected one argument'],
    ['--foreground=yes', "argument --foreground: ignored explicit argument 'yes'"],
    ['--ts-config a b --what', 'unrecognized arguments: b --what'],
    ['start', 'unrecognized arguments: start'],
    ['--models a -- --start', 'unrecognized arguments: --start'],
    ['-x', 'unrecognized arguments: -x'],
  ])('refuses %j in argparse’s words', (line, message) => {
    expect(read(line)).toEqual({ kind: 'error', message });
  });

  it('shows its usage with the mistake, and every flag in its help', () => {
    const error = torchserveUsageError('no');
    expect(error).toMatch(/^usage: torchserve \[-h\] \[-v \| --start \| --stop\] /);
    expect(error).toMatch(/\ntorchserve: error: no\n$/);
    expect(torchserveHelp()).toMatch(/^ {2}--models MODELS \[MODELS \.\.\.\]$/m);
    expect(torchserveHelp()).toMatch(/^ {2}--disable-token-auth, --dt$/m);
  });
});
