// `sconce init FOLDER`: a model folder to start from, made of a template of the package. It works at once with dev, invoke and archive create.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../config/config-error.ts';
import { isModelName, MODEL_NAME_RULE } from '../core/model-name.ts';
import { failureText } from './terminal/failure.ts';
import { shellWord } from './terminal/words.ts';

/** What was written behind `sconce init`, as commander names it. */
export interface InitFlags {
  readonly template?: string;
}

const TEMPLATES_DIR = fileURLToPath(new URL('../../templates/', import.meta.url));
const TEST_OF_TEMPLATE: ReadonlyMap<string, string> = new Map([
  ['python', 'python3 -m unittest'],
  ['typescript', 'node --test'],
  ['onnx', 'node --test'],
]);

/** Makes the folder and says what to try. What fails is told on stderr and leaves exit status 1; it does not throw. */
export async function init(folder: string, { template }: InitFlags): Promise<void> {
  try {
    const test = TEST_OF_TEMPLATE.get(template ?? '');
    if (template === undefined || test === undefined)
      throw new ConfigError(
        `--template ${template ?? 'is missing'}: expected ${[...TEST_OF_TEMPLATE.keys()].join(', ')}`,
      );
    const files = await makeFolder(resolve(folder), template);
    const path = relative(process.cwd(), resolve(folder)) || '.';
    const word = shellWord(path);
    process.stdout.write(
      [
        `${path} has ${files.join(', ')}.`,
        '',
        'Try:',
        `  sconce invoke ${word} ${shellWord(join(path, 'sample.json'))}`,
        `  sconce dev ${word}`,
        `  ${path === '.' ? '' : `cd ${word} && `}${test}`,
        '',
      ].join('\n'),
    );
  } catch (error) {
    process.stderr.write(`sconce: ${failureText(error)}\n`);
    process.exitCode = 1;
  }
}

/** Writes the template's files, with the folder's name as that of the model; gives their paths. */
async function makeFolder(folder: string, template: string): Promise<string[]> {
  const name = basename(folder);
  if (!isModelName(name))
    throw new ConfigError(`${name}: the folder gives the model its name, so it must be ${MODEL_NAME_RULE}`);
  const present = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new ConfigError(`${folder}: ${error.code === 'ENOTDIR' ? 'this is a file' : error.message}`);
  });
  if (present.length > 0)
    throw new ConfigError(`${folder}: the folder is not empty; choose another, nothing is written over`);
  const entries = await readdir(join(TEMPLATES_DIR, template), { withFileTypes: true, recursive: true });
  const files = entries
    .filter((entry) => entry.isFile() && !entry.parentPath.includes('__pycache__'))
    .map((entry) => relative(join(TEMPLATES_DIR, template), join(entry.parentPath, entry.name)))
    .toSorted();
  for (const file of files) {
    const bytes = await readFile(join(TEMPLATES_DIR, template, file));
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), file.endsWith('.onnx') ? bytes : named(bytes.toString('utf8'), name), {
      flag: 'wx',
    });
  }
  return files;
}

function named(text: string, name: string): string {
  return text.replaceAll('{{name}}', () => name);
}
