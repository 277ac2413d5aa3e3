// The command line of torch-model-archiver, read as Python's argparse reads it: abbreviations, `--flag=value`, `-vVALUE`, `-fv VALUE`,
// and its errors. What the flags do is archive-drop-in.ts's business.

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

interface Flag {
  readonly names: readonly string[];
  readonly field: keyof ArchiverFlags | 'help';
  readonly help: string;
  readonly isSwitch?: boolean;
  readonly isRequired?: boolean;
  readonly choices?: readonly string[];
}

const FLAGS: readonly Flag[] = [
  { names: ['-h', '--help'], field: 'help', isSwitch: true, help: 'print this help and end' },
  {
    names: ['--model-name'],
    field: 'modelName',
    isRequired: true,
    help: 'name of the model, and of the file that is made',
  },
  { names: ['--serialized-file'], field: 'serializedFile', help: 'weights, TorchScript, ONNX or shared library' },
  { names: ['--model-file'], field: 'modelFile', help: 'Python file with the class of an eager model' },
  {
    names: ['--handler'],
    field: 'handler',
    isRequired: true,
    help: 'a built-in handler by its name, or a Python file: h.py, dir/h, dir/h:function',
  },
  { names: ['--extra-files'], field: 'extraFiles', help: 'more files, folders and patterns, separated by commas' },
  {
    names: ['--runtime'],
    field: 'runtime',
    choices: ['python', 'python3', 'LSP'],
    help: 'what runs the handler (python)',
  },
  { names: ['--export-path'], field: 'exportPath', help: 'folder for the archive (the current one)' },
  {
    names: ['--archive-format'],
    field: 'archiveFormat',
    choices: ['tgz', 'no-archive', 'zip-store', 'default'],
    help: 'tar.gz, a folder, a zip without compression, or a compressed zip (default)',
  },
  { names: ['-f', '--force'], field: 'force', isSwitch: true, help: 'replace an archive of this name' },
  { names: ['-v', '--version'], field: 'version', isRequired: true, help: 'version of the model' },
  { names: ['-r', '--requirements-file'], field: 'requirementsFile', help: 'Python packages that the model needs' },
  { names: ['-c', '--config-file'], field: 'configFile', help: 'model-config.yaml' },
];

const PROGRAM = 'torch-model-archiver';

/** Reads the arguments behind the command's name. */
export function parseArchiverArgs(args: readonly string[]): ParsedArgs {
  try {
    const values = readValues(args);
    return values === undefined ? { kind: 'help' } : { kind: 'flags', flags: flagsOf(values) };
  } catch (thrown) {
    if (thrown instanceof UsageError) return { kind: 'error', message: thrown.message };
    throw thrown;
  }
}

export function usageText(): string {
  const parts = FLAGS.map((flag) => {
    const text = flag.isSwitch === true ? (flag.names[0] ?? '') : `${flag.names[0]} ${valueName(flag)}`;
    return flag.isRequired === true ? text : `[${text}]`;
  });
  const indent = ' '.repeat('usage:  '.length + PROGRAM.length);
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last === undefined || indent.length + last.length + part.length > 98) lines.push(part);
    else lines[lines.length - 1] = `${last} ${part}`;
  }
  return `usage: ${PROGRAM} ${lines.join(`\n${indent}`)}\n`;
}

export function helpText(): string {
  const rows = FLAGS.map((flag) => {
    const names = flag.names.map((name) => (flag.isSwitch === true ? name : `${name} ${valueName(flag)}`)).join(', ');
    return `  ${names}\n      ${flag.help}`;
  });
  return `${usageText()}\nPacks a model into an archive that Sconce and TorchServe load.\n\noptions:\n${rows.join('\n')}\n`;
}

export function usageError(message: string): string {
  return `${usageText()}${PROGRAM}: error: ${message}\n`;
}

class UsageError extends Error {}

type Values = Map<Flag['field'], string>;

/** Undefined when help is asked for; what follows is not looked at then. */
function readValues(args: readonly string[]): Values | undefined {
  const values: Values = new Map();
  const surplus: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '--') {
      surplus.push(...args.slice(at + 1));
      break;
    }
    if (!looksLikeFlag(arg)) {
      surplus.push(arg);
      continue;
    }
    const found = findFlag(arg);
    if (found === undefined) {
      surplus.push(arg);
      continue;
    }
    const taking = setSwitches(values, found);
    if (taking === 'help') return undefined;
    if (taking === undefined) continue;
    let { value } = taking;
    if (value === undefined) {
      const next = args[at + 1];
      if (next === undefined || next === '--' || looksLikeFlag(next))
        throw problem(taking.flag, 'expected one argument');
      value = next;
      at += 1;
    }
    values.set(taking.flag.field, checkedChoice(taking.flag, value));
  }
  refuseAbsent(values);
  if (surplus.length > 0) throw new UsageError(`unrecognized arguments: ${surplus.join(' ')}`);
  return values;
}

/** Sets a switch and those bundled with it, and answers the flag that takes a value, if there is one: -fv 1.0 */
function setSwitches(values: Values, first: FoundFlag): FoundFlag | 'help' | undefined {
  let found = first;
  while (found.flag.isSwitch === true) {
    if (found.flag.field === 'help') return 'help';
    values.set(found.flag.field, 'true');
    if (found.value === undefined) return undefined;
    const next: FoundFlag | undefined = found.isShort ? findFlag(`-${found.value}`) : undefined;
    if (next === undefined) throw problem(found.flag, `ignored explicit argument ${pythonText(found.value)}`);
    found = next;
  }
  return found;
}

/** A dash before a number or in a text with spaces belongs to a value. */
function looksLikeFlag(arg: string): boolean {
  if (!arg.startsWith('-') || arg === '-') return false;
  if (/^-\d+$|^-\d*\.\d+$/.test(arg)) return false;
  return !arg.includes(' ') || findFlag(arg) !== undefined;
}

interface FoundFlag {
  readonly flag: Flag;
  readonly value: string | undefined;
  readonly isShort: boolean;
}

function findFlag(arg: string): FoundFlag | undefined {
  const exact = FLAGS.find(({ names }) => names.includes(arg));
  if (exact !== undefined) return { flag: exact, value: undefined, isShort: !arg.startsWith('--') };
  const equals = arg.indexOf('=');
  const name = equals < 0 ? arg : arg.slice(0, equals);
  const value = equals < 0 ? undefined : arg.slice(equals + 1);
  const named = FLAGS.find(({ names }) => names.includes(name));
  if (named !== undefined) return { flag: named, value, isShort: !arg.startsWith('--') };
  if (!arg.startsWith('--')) {
    const short = FLAGS.find(({ names }) => names.includes(arg.slice(0, 2)));
    return short === undefined ? undefined : { flag: short, value: arg.slice(2), isShort: true };
  }
  const candidates = FLAGS.flatMap((flag) => flag.names.map((each) => ({ flag, each }))).filter(({ each }) =>
    each.startsWith(name),
  );
  if (candidates.length > 1) {
    throw new UsageError(`ambiguous option: ${arg} could match ${candidates.map(({ each }) => each).join(', ')}`);
  }
  const [only] = candidates;
  return only === undefined ? undefined : { flag: only.flag, value, isShort: false };
}

function checkedChoice(flag: Flag, value: string): string {
  if (flag.choices === undefined || flag.choices.includes(value)) return value;
  const choices = flag.choices.map(pythonText).join(', ');
  throw problem(flag, `invalid choice: ${pythonText(value)} (choose from ${choices})`);
}

function refuseAbsent(values: Values): void {
  const absent = FLAGS.filter(({ isRequired, field }) => isRequired === true && !values.has(field));
  if (absent.length === 0) return;
  const names = absent.map(({ names: each }) => each.join('/')).join(', ');
  throw new UsageError(`the following arguments are required: ${names}`);
}

function problem(flag: Flag, message: string): UsageError {
  return new UsageError(`argument ${flag.names.join('/')}: ${message}`);
}

function valueName(flag: Flag): string {
  if (flag.choices !== undefined) return `{${flag.choices.join(',')}}`;
  return (flag.names.at(-1) ?? '').replace(/^-+/, '').replaceAll('-', '_').toUpperCase();
}

/** As Python prints a text. */
function pythonText(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  return quote + text.replaceAll('\\', '\\\\').replaceAll(quote, `\\${quote}`) + quote;
}

function flagsOf(values: Values): ArchiverFlags {
  return {
    modelName: values.get('modelName') ?? '',
    serializedFile: values.get('serializedFile'),
    modelFile: values.get('modelFile'),
    handler: values.get('handler') ?? '',
    extraFiles: values.get('extraFiles'),
    runtime: values.get('runtime') ?? 'python',
    exportPath: values.get('exportPath'),
    archiveFormat: values.get('archiveFormat') ?? 'default',
    force: values.has('force'),
    version: values.get('version') ?? '',
    requirementsFile: values.get('requirementsFile'),
    configFile: values.get('configFile'),
  };
}
