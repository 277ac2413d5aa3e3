// The flags of torch-model-archiver, under the names that TorchServe's users have in their scripts. How a command line is read is
// python-arguments.ts's business; what the flags do, ../torch-model-archiver.ts's.
import {
  ArgumentError,
  type ArgumentFlag,
  type ArgumentValues,
  helpText,
  readArguments,
  usageError,
} from '../terminal/python-arguments.ts';

export interface ArchiverFlags {
  readonly modelName: string;
  readonly serializedFile: string | undefined;
  readonly modelFile: string | undefined;
  readonly handler: string;
  readonly extraFiles: string | undefined;
  readonly runtime: string;
  readonly exportPath: string | undefined;
  readonly archiveFormat: string;
  readonly force: boolean;
  readonly version: string;
  readonly requirementsFile: string | undefined;
  readonly configFile: string | undefined;
}

/** What a command line means: flags to act on, the help, or an error for exit status 2. */
export type ParsedArgs =
  | { readonly kind: 'flags'; readonly flags: ArchiverFlags }
  | { readonly kind: 'help' }
  | { readonly kind: 'error'; readonly message: string };

type Field = 'help' | keyof ArchiverFlags;

const FLAGS: readonly ArgumentFlag<Field>[] = [
  { names: ['-h', '--help'], field: 'help', takes: 'nothing', help: 'print this help and end' },
  {
    names: ['--model-name'],
    field: 'modelName',
    takes: 'one',
    isRequired: true,
    help: 'name of the model, and of the file that is made',
  },
  {
    names: ['--serialized-file'],
    field: 'serializedFile',
    takes: 'one',
    help: 'weights, TorchScript, ONNX or shared library',
  },
  { names: ['--model-file'], field: 'modelFile', takes: 'one', help: 'Python file with the class of an eager model' },
  {
    names: ['--handler'],
    field: 'handler',
    takes: 'one',
    isRequired: true,
    help: 'a built-in handler by its name, or a Python file: h.py, dir/h, dir/h:function',
  },
  {
    names: ['--extra-files'],
    field: 'extraFiles',
    takes: 'one',
    help: 'more files, folders and patterns, separated by commas',
  },
  {
    names: ['--runtime'],
    field: 'runtime',
    takes: 'one',
    choices: ['python', 'python3', 'LSP'],
    help: 'what runs the handler (python)',
  },
  { names: ['--export-path'], field: 'exportPath', takes: 'one', help: 'folder for the archive (the current one)' },
  {
    names: ['--archive-format'],
    field: 'archiveFormat',
    takes: 'one',
    choices: ['tgz', 'no-archive', 'zip-store', 'default'],
    help: 'tar.gz, a folder, a zip without compression, or a compressed zip (default)',
  },
  { names: ['-f', '--force'], field: 'force', takes: 'nothing', help: 'replace an archive of this name' },
  { names: ['-v', '--version'], field: 'version', takes: 'one', isRequired: true, help: 'version of the model' },
  {
    names: ['-r', '--requirements-file'],
    field: 'requirementsFile',
    takes: 'one',
    help: 'Python packages that the model needs',
  },
  { names: ['-c', '--config-file'], field: 'configFile', takes: 'one', help: 'model-config.yaml' },
];

const PROGRAM = 'torch-model-archiver';

/** Reads the arguments behind the command's name. */
export function parseArchiverArgs(args: readonly string[]): ParsedArgs {
  try {
    const values = readArguments(FLAGS, args, ['help']);
    return values.has('help') ? { kind: 'help' } : { kind: 'flags', flags: flagsOf(values) };
  } catch (thrown) {
    if (thrown instanceof ArgumentError) return { kind: 'error', message: thrown.message };
    throw thrown;
  }
}

export function archiverHelp(): string {
  return helpText(PROGRAM, 'Packs a model into an archive that Sconce and TorchServe load.', FLAGS);
}

export function archiverUsageError(message: string): string {
  return usageError(PROGRAM, message, FLAGS);
}

function flagsOf(values: ArgumentValues<Field>): ArchiverFlags {
  const one = (field: Field) => values.get(field)?.[0];
  return {
    modelName: one('modelName') ?? '',
    serializedFile: one('serializedFile'),
    modelFile: one('modelFile'),
    handler: one('handler') ?? '',
    extraFiles: one('extraFiles'),
    runtime: one('runtime') ?? 'python',
    exportPath: one('exportPath'),
    archiveFormat: one('archiveFormat') ?? 'default',
    force: values.has('force'),
    version: one('version') ?? '',
    requirementsFile: one('requirementsFile'),
    configFile: one('configFile'),
  };
}
