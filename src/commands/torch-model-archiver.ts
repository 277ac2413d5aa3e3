// What torch-model-archiver does with its flags: the same files, the same archive, the same words where scripts look for them. Its
// command line is archive/archiver-flags.ts's business; `sconce archive create` is the way for people.
import { basename } from 'node:path';
import { PACK_FORMATS } from '../archive/pack.ts';
import { addExtraFiles, addFile } from '../archive/pack-collect.ts';
import { MissingFile, PackError } from '../archive/pack-error.ts';
import { PackList } from '../archive/pack-list.ts';
import { manifestText, sourceDate } from '../archive/pack-manifest.ts';
import { prepareOutput, refuseOwnSource } from '../archive/pack-output.ts';
import { type ArchiverFlags, archiverHelp, archiverUsageError, parseArchiverArgs } from './archive/archiver-flags.ts';
import { BUILT_IN_HANDLERS } from './archive/handler-names.ts';
import { PackStopped, packOnTerminal } from './archive/packing.ts';
import { surviveClosedOutput } from './terminal/closed-output.ts';
import { failureText } from './terminal/failure.ts';
import { printable } from './terminal/words.ts';

/** The names that TorchServe's archiver packs; a server takes some more. */
const ARCHIVER_NAME = /^[A-Za-z0-9][A-Za-z0-9_\-.]*$/;

/** Runs the command and answers its exit status. Silent when all is well. */
export async function runArchiver(args: readonly string[], version: string): Promise<number> {
  surviveClosedOutput('torch-model-archiver');
  const parsed = parseArchiverArgs(args);
  if (parsed.kind === 'help') {
    process.stdout.write(archiverHelp());
    return 0;
  }
  if (parsed.kind === 'error') {
    process.stderr.write(archiverUsageError(parsed.message));
    return 2;
  }
  try {
    await archive(parsed.flags, version);
    return 0;
  } catch (thrown) {
    say('ERROR', wordsFor(thrown));
    return thrown instanceof PackStopped ? thrown.exitCode : 1;
  }
}

async function archive(flags: ArchiverFlags, archiverVersion: string): Promise<void> {
  const format = PACK_FORMATS.find((one) => one === flags.archiveFormat) ?? 'default';
  if (!ARCHIVER_NAME.test(flags.modelName)) {
    throw new PackError(
      `Model name contains special characters.\nThe allowed regular expression filter for model name is: ${ARCHIVER_NAME.source}`,
    );
  }
  const output = await prepareOutput(flags.modelName, flags.exportPath ?? process.cwd(), format, flags.force);
  for (const notice of output.notices) say('WARNING', notice);
  const list = new PackList('replace');
  await collect(list, flags, output.path);
  for (const notice of list.notices) say('WARNING', notice);
  if (format === 'no-archive') await refuseOwnSource(output.path, list.files);
  const created = sourceDate(process.env['SOURCE_DATE_EPOCH']) ?? { at: new Date(), isUtc: false };
  const manifest = {
    modelName: flags.modelName,
    modelVersion: flags.version,
    runtime: flags.runtime,
    handler: basename(flags.handler),
    serializedFile: nameOf(flags.serializedFile),
    modelFile: nameOf(flags.modelFile),
    requirementsFile: nameOf(flags.requirementsFile),
    configFile: nameOf(flags.configFile),
    archiverVersion,
  };
  const text = manifestText(manifest, created);
  const { modelName } = flags;
  await packOnTerminal({ files: list.files, manifestText: text, modelName, format, output: output.path, created });
}

/** In the order in which later files win over earlier ones of the same name. */
async function collect(list: PackList, flags: ArchiverFlags, output: string): Promise<void> {
  if (given(flags.modelFile)) await addFile(list, flags.modelFile, '--model-file');
  if (given(flags.serializedFile)) await addFile(list, flags.serializedFile, '--serialized-file');
  const handler = handlerFile(flags);
  if (handler !== undefined) await addFile(list, handler, '--handler');
  if (given(flags.extraFiles)) await addExtraFiles(list, flags.extraFiles, output);
  if (given(flags.requirementsFile)) await addFile(list, flags.requirementsFile, '--requirements-file');
  if (given(flags.configFile)) await addFile(list, flags.configFile, '--config-file');
}

/** The file of a handler, undefined for one that the server has. */
function handlerFile({ handler, runtime }: ArchiverFlags): string | undefined {
  const path = handler.split(':', 1)[0] ?? handler;
  if (runtime === 'LSP') {
    if (LSP_HANDLERS.has(handler)) return undefined;
    return path + (process.platform === 'darwin' ? '.dylib' : '.so');
  }
  if (BUILT_IN_HANDLERS.has(handler)) return undefined;
  return handler.includes('.py') ? handler : `${path}.py`;
}

const LSP_HANDLERS: ReadonlySet<string> = new Set(['BaseHandler', 'TorchScriptHandler']);

function wordsFor(thrown: unknown): string {
  if (thrown instanceof MissingFile) {
    const isFunction = /\.py:\w+$/.test(thrown.path);
    const advice = isFunction ? ` Name a function without the ending: ${thrown.path.replace('.py:', ':')}` : '';
    return `FileNotFoundError: [Errno 2] No such file or directory: '${thrown.path}' (${thrown.what}).${advice}`;
  }
  return failureText(thrown);
}

function say(level: 'ERROR' | 'WARNING', text: string): void {
  process.stderr.write(`${level} - ${printable(text)}\n`);
}

/** An empty value counts as none. */
function given(value: string | undefined): value is string {
  return value !== undefined && value !== '';
}

function nameOf(path: string | undefined): string | undefined {
  return given(path) ? basename(path) : undefined;
}
