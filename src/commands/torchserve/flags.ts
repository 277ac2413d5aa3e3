// The flags of `torchserve`, under the names that TorchServe's users have in their scripts, and what a command line asks for. How it is
// read is python-arguments.ts's business; what is done about it, ../torchserve.ts's.
import {
  ArgumentError,
  type ArgumentFlag,
  type ArgumentValues,
  helpText,
  readArguments,
  usageError,
} from '../terminal/python-arguments.ts';

/** What was written behind `torchserve` about a server to start; undefined where a flag was not given. */
export interface TorchserveFlags {
  readonly foreground: boolean;
  readonly tsConfig: string | undefined;
  readonly modelStore: string | undefined;
  readonly workflowStore: string | undefined;
  readonly models: readonly string[] | undefined;
  readonly logConfig: string | undefined;
  readonly cppLogConfig: string | undefined;
  readonly pluginsPath: string | undefined;
  readonly isWithoutSnapshots: boolean;
  readonly disableTokenAuth: boolean;
  readonly enableModelApi: boolean;
}

/** What a command line asks for. An error is for exit status 2. */
export type TorchserveOrder =
  | { readonly kind: 'start'; readonly flags: TorchserveFlags }
  | { readonly kind: 'stop'; readonly isAwaited: boolean }
  | { readonly kind: 'version' }
  | { readonly kind: 'help' }
  | { readonly kind: 'error'; readonly message: string };

type Field = 'help' | 'version' | 'start' | 'stop' | keyof TorchserveFlags;

const FLAGS: readonly ArgumentFlag<Field>[] = [
  { names: ['-h', '--help'], field: 'help', takes: 'nothing', help: 'print this help and end' },
  { names: ['-v', '--version'], field: 'version', takes: 'nothing', only: 'action', help: 'print the version and end' },
  { names: ['--start'], field: 'start', takes: 'nothing', only: 'action', help: 'start the server; also without this' },
  { names: ['--stop'], field: 'stop', takes: 'nothing', only: 'action', help: 'stop the server that was started' },
  { names: ['--ts-config'], field: 'tsConfig', takes: 'one', help: 'file with settings (./config.properties)' },
  { names: ['--model-store'], field: 'modelStore', takes: 'one', help: 'folder that holds the model archives' },
  {
    names: ['--workflow-store'],
    field: 'workflowStore',
    takes: 'one',
    help: 'must exist; workflows are not served yet',
  },
  {
    names: ['--models'],
    field: 'models',
    takes: 'many',
    help: 'models to load at start: [name=]archive, [name=]URL, or all',
  },
  { names: ['--log-config'], field: 'logConfig', takes: 'one', help: 'must exist; log4j2 files have no effect' },
  { names: ['--cpp-log-config'], field: 'cppLogConfig', takes: 'one', help: 'must exist; there are no C++ workers' },
  {
    names: ['--foreground'],
    field: 'foreground',
    takes: 'nothing',
    help: 'serve in this process; with --stop: wait until the server has ended',
  },
  {
    names: ['--no-config-snapshots', '--ncs'],
    field: 'isWithoutSnapshots',
    takes: 'nothing',
    help: 'no snapshots; there are none without this either',
  },
  { names: ['--plugins-path', '--ppath'], field: 'pluginsPath', takes: 'one', help: 'no effect: Java plug-ins' },
  {
    names: ['--disable-token-auth', '--dt'],
    field: 'disableTokenAuth',
    takes: 'nothing',
    help: 'no tokens, and the management API may be open to the network',
  },
  {
    names: ['--enable-model-api'],
    field: 'enableModelApi',
    takes: 'nothing',
    help: 'models can be registered and unregistered while the server runs',
  },
];

const PROGRAM = 'torchserve';

/** Reads the arguments behind the command's name. */
export function parseTorchserveArgs(args: readonly string[]): TorchserveOrder {
  try {
    const values = readArguments(FLAGS, args, ['help']);
    if (values.has('help')) return { kind: 'help' };
    if (values.has('version')) return { kind: 'version' };
    if (values.has('stop')) return { kind: 'stop', isAwaited: values.has('foreground') };
    return { kind: 'start', flags: flagsOf(values) };
  } catch (thrown) {
    if (thrown instanceof ArgumentError) return { kind: 'error', message: thrown.message };
    throw thrown;
  }
}

export function torchserveHelp(): string {
  return helpText(
    PROGRAM,
    'Starts and stops a Sconce server with TorchServe’s command line, settings and answers.',
    FLAGS,
  );
}

export function torchserveUsageError(message: string): string {
  return usageError(PROGRAM, message, FLAGS);
}

function flagsOf(values: ArgumentValues<Field>): TorchserveFlags {
  const one = (field: Field) => values.get(field)?.[0];
  return {
    foreground: values.has('foreground'),
    tsConfig: one('tsConfig'),
    modelStore: one('modelStore'),
    workflowStore: one('workflowStore'),
    models: values.get('models'),
    logConfig: one('logConfig'),
    cppLogConfig: one('cppLogConfig'),
    pluginsPath: one('pluginsPath'),
    isWithoutSnapshots: values.has('isWithoutSnapshots'),
    disableTokenAuth: values.has('disableTokenAuth'),
    enableModelApi: values.has('enableModelApi'),
  };
}
