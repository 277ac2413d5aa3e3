// Declares `sconce archive create|inspect|lint`. Each action is loaded when it is run, and its failure is one line for people.
import { type Command, Option } from 'commander';
import type { CreateFlags } from './archive/create.ts';
import type { LintFlags } from './archive/lint.ts';

const FORMATS = ['default', 'zip-store', 'tgz', 'no-archive'];
const RUNTIMES = ['python', 'python3', 'LSP', 'node', 'onnx'];

/** Adds the command to the program; `version` is written into manifests. */
export function addArchiveCommand(program: Command, version: string): void {
  const archive = program.command('archive').description('Pack models into archives, look into them, and check them');
  addCreate(archive, version);
  archive
    .command('inspect')
    .description('Show what an archive, a model folder or an .onnx file holds')
    .argument('<path>', 'an archive, a folder or an .onnx file')
    .option('--json', 'as JSON')
    .action((path: string, flags: { readonly json?: boolean }) =>
      orSay(path, async () => {
        const { inspectArchive } = await import('./archive/inspect.ts');
        await inspectArchive(path, flags);
      }),
    );
  archive
    .command('lint')
    .description('Find what would keep a model from loading; exit status 1 when there is such a thing')
    .argument('<paths...>', 'archives, folders or .onnx files')
    .option('--json', 'as JSON')
    .addOption(pythonOption())
    .action((paths: string[], flags: LintFlags) =>
      orSay(undefined, async () => {
        const { lintArchives } = await import('./archive/lint.ts');
        process.exitCode = await lintArchives(paths, flags);
      }),
    );
}

function addCreate(archive: Command, version: string): void {
  archive
    .command('create')
    .description('Pack a model folder, an .onnx file, or the files that the flags name')
    .argument('[source]', 'the folder or .onnx file; its manifest and the names of its files say the rest')
    .option('--name, --model-name <name>', 'name of the model (the manifest’s, or the folder’s)')
    .option('-v, --version <version>', 'version of the model (the manifest’s, or 1.0)')
    .option('--handler <handler>', 'file of the handler, file:function, or a built-in handler')
    .option('--weights, --serialized-file <file>', 'weights, TorchScript, ONNX or shared library')
    .option('--model-file <file>', 'Python file with the class of an eager model')
    .option('--extra, --extra-files <list>', 'more files, folders and patterns, separated by commas')
    .addOption(new Option('--runtime <runtime>', 'what runs the handler (by its file)').choices(RUNTIMES))
    .option('-r, --requirements-file <file>', 'Python packages that the model needs')
    .option('-c, --config-file <file>', 'model-config.yaml')
    .option('--out, --export-path <folder>', 'where the archive goes', '.')
    .addOption(
      new Option('--format, --archive-format <format>', 'compressed zip, zip, tar.gz or folder')
        .choices(FORMATS)
        .default('default'),
    )
    .option('-f, --force', 'replace an archive of this name')
    .option('--no-lint', 'pack without checking')
    .addOption(pythonOption())
    .action((source: string | undefined, flags: CreateFlags) =>
      orSay(undefined, async () => {
        const { createArchive } = await import('./archive/create.ts');
        await createArchive(source, flags, version);
      }),
    );
}

function pythonOption(): Option {
  return new Option('--python <command>', 'interpreter that checks Python files').default('python3');
}

/** Runs an action; what it throws becomes one message on stderr and the exit status. */
async function orSay(subject: string | undefined, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (thrown) {
    const { ServingError } = await import('../core/errors.ts');
    const { failureText } = await import('./terminal/failure.ts');
    const { printable } = await import('./terminal/words.ts');
    // What is wrong with an archive is said without its name.
    const where = subject !== undefined && thrown instanceof ServingError ? `${subject}: ` : '';
    process.stderr.write(`sconce: ${printable(where + failureText(thrown))}\n`);
    process.exitCode = thrown instanceof Error && 'exitCode' in thrown ? Number(thrown.exitCode) : 1;
  }
}
