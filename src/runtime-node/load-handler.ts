// From the manifest's handler string to an author's handler object: find the file, bundle it, import it, pick the export. What goes wrong
// here is the author's to mend, so every failure says what was looked for and what is there.
import { mkdtemp, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Handler } from './handler.ts';
import { bundleHandler } from './handler-bundle.ts';
import { summaryOf, traceOf } from './handler-failure.ts';
import { LoadError } from './load-error.ts';

const EXTENSIONS = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'];
const DEFAULT_MODULE = 'handler';
const FUNCTIONS = ['load', 'predict', 'explain', 'describe', 'predictOne', 'explainOne', 'describeOne'] as const;

/** A handler whose state nobody but itself knows. */
export type LoadedHandler = Handler<unknown>;

/**
 * Loads `module`, `module.ts` or `module:export` of the model's folder; null stands for `handler`. Rejects with a LoadError. Nothing is left on
 * disk. Stack traces of the process name the lines of the author's files from then on.
 */
export async function loadHandler(name: string | null, modelDir: string): Promise<LoadedHandler> {
  const folder = await realpath(modelDir);
  const { path, exportName } = splitName(name ?? DEFAULT_MODULE);
  const file = await findFile(path, folder);
  const exports = await importBundled(file, folder);
  return pickHandler(exports, exportName, relative(folder, file));
}

function splitName(name: string): { readonly path: string; readonly exportName: string | undefined } {
  const colon = name.lastIndexOf(':');
  if (colon < 0) return { path: name, exportName: undefined };
  return { path: name.slice(0, colon), exportName: name.slice(colon + 1) || undefined };
}

async function findFile(path: string, folder: string): Promise<string> {
  const wanted = resolve(folder, path);
  if (!wanted.startsWith(folder + sep)) {
    throw new LoadError('HANDLER_NOT_FOUND', `The handler ${path} lies outside the model's folder; name a file in it.`);
  }
  const candidates = EXTENSIONS.includes(extname(wanted)) ? [wanted] : EXTENSIONS.map((each) => wanted + each);
  for (const candidate of candidates) {
    const isFile = await stat(candidate).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isFile) return candidate;
  }
  throw new LoadError('HANDLER_NOT_FOUND', await notFound(path, wanted, folder));
}

async function notFound(path: string, wanted: string, folder: string): Promise<string> {
  const place = relative(folder, dirname(wanted));
  const names = await readdir(dirname(wanted)).catch(() => []);
  const files = names.filter((each) => EXTENSIONS.includes(extname(each))).sort();
  const listed = files.length === 0 ? 'no TypeScript or JavaScript file' : files.slice(0, 10).join(', ');
  const where = place === '' ? 'the archive' : `${place}/`;
  const tried = EXTENSIONS.includes(extname(wanted))
    ? basename(wanted)
    : `${basename(wanted)}.ts, .mts, .cts, .js, .mjs or .cjs`;
  return (
    `No handler ${path}: ${where} has ${listed}${files.length > 10 ? ', …' : ''}, but not ${tried}. ` +
    'Correct model.handler in the manifest.'
  );
}

/**
 * Imports the bundle from a file, because Node maps no traces of modules that have none. The file's first import removes it: a module's graph is
 * read as a whole before any of it runs, so not even a handler that ends the process leaves it behind.
 */
async function importBundled(file: string, folder: string): Promise<Readonly<Record<string, unknown>>> {
  const temporary = await mkdtemp(join(tmpdir(), 'sconce-handler-'));
  const removal = `import { rmSync } from 'node:fs'; rmSync(${JSON.stringify(temporary)}, { recursive: true, force: true });`;
  const banner = `import ${JSON.stringify(`data:text/javascript,${encodeURIComponent(removal)}`)};`;
  try {
    const bundle = join(temporary, `${basename(file, extname(file))}.mjs`);
    await writeFile(bundle, await bundleHandler(file, folder, banner));
    process.setSourceMapsEnabled(true);
    return await import(/* @vite-ignore */ pathToFileURL(bundle).href);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new LoadError('HANDLER_IMPORT_FAILED', summaryOf(error), traceOf(error));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function pickHandler(
  exports: Readonly<Record<string, unknown>>,
  name: string | undefined,
  file: string,
): LoadedHandler {
  const found = name === undefined ? firstOf(exports) : memberOf(exports, name);
  const wanted = name === undefined ? 'a handler as its default, or as "handler"' : `a handler as "${name}"`;
  if (typeof found !== 'object' || found === null) {
    const names = Object.keys(exports);
    throw new LoadError(
      'HANDLER_NOT_FOUND',
      `${file} does not export ${wanted}; it exports ${names.length === 0 ? 'nothing' : names.slice(0, 10).join(', ')}. ` +
        "Write: export default defineHandler({ … }), with defineHandler from 'sconce/handler'.",
    );
  }
  const handler = found as Readonly<Record<string, unknown>>;
  const wrong = FUNCTIONS.find((each) => handler[each] !== undefined && typeof handler[each] !== 'function');
  if (wrong !== undefined) {
    throw new LoadError('HANDLER_NOT_FOUND', `The handler in ${file} has a "${wrong}" that is not a function.`);
  }
  if ((handler['predict'] === undefined) === (handler['predictOne'] === undefined)) {
    const has = handler['predict'] === undefined ? 'neither of them' : 'both';
    throw new LoadError(
      'HANDLER_NOT_FOUND',
      `The handler in ${file} must have either predict (a batch) or predictOne (one request); it has ${has}.`,
    );
  }
  return found as LoadedHandler;
}

/** The default export or `handler`. What a CommonJS file exports is all in the default export, wherever it says `default` or `handler` itself. */
function firstOf(exports: Readonly<Record<string, unknown>>): unknown {
  const whole = exports['default'];
  const inner = typeof whole === 'object' && whole !== null ? (whole as Readonly<Record<string, unknown>>) : {};
  return inner['default'] ?? inner['handler'] ?? whole ?? exports['handler'];
}

function memberOf(exports: Readonly<Record<string, unknown>>, name: string): unknown {
  const whole = exports['default'];
  const inner = typeof whole === 'object' && whole !== null ? (whole as Readonly<Record<string, unknown>>) : {};
  return exports[name] ?? inner[name];
}
