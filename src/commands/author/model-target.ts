// From what an author names on the command line (a folder, a handler's file, a network, an archive) to the registration that serves it and to
// what has to be watched. Whether it can be loaded shows when it is.
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { ConfigError } from '../../config/config-error.ts';
import type { RegisterParameters } from '../../config/register-parameters.ts';

export interface ModelTarget {
  /** The folder that holds what is registered: a real path. */
  readonly modelStore: string;
  readonly parameters: RegisterParameters;
  /** The folder of the author's files: a real path. */
  readonly folder: string;
  /** The only file that counts; undefined where all of the folder does. */
  readonly file: string | undefined;
}

/** Handlers that can be named without a folder, and what runs them. */
const RUNTIME_OF_ENDING: ReadonlyMap<string, string> = new Map([
  ['.py', 'python'],
  ...['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'].map((ending): [string, string] => [ending, 'node']),
]);

/** The target that `path` names. Throws ConfigError when nothing is there, or when it has no folder around it. */
export async function findTarget(path: string): Promise<ModelTarget> {
  const real = await realpath(resolve(path)).catch(() => {
    throw new ConfigError(`${path}: there is no such file or folder`);
  });
  if (dirname(real) === real) throw new ConfigError(`${path}: a model cannot be the root folder; name a folder in it`);
  const status = await stat(real);
  if (status.isDirectory()) return folderTarget(real, await guessedHandler(real));
  const runtime = RUNTIME_OF_ENDING.get(extname(real));
  if (runtime === undefined) {
    const parameters = { url: basename(real) };
    return { modelStore: dirname(real), parameters, folder: dirname(real), file: real };
  }
  const folder = dirname(real);
  if (dirname(folder) === folder) throw new ConfigError(`${path}: put the handler into a folder of its own`);
  return folderTarget(folder, { handler: basename(real), runtime });
}

type HandlerParameters = Pick<RegisterParameters, 'handler' | 'runtime'>;

function folderTarget(folder: string, handler: HandlerParameters): ModelTarget {
  const parameters = { url: basename(folder), ...handler };
  return { modelStore: dirname(folder), parameters, folder, file: undefined };
}

/** What a folder without a manifest leaves unsaid: its handler is `handler.py`, `handler.ts` or the like, or the only file of that kind. */
async function guessedHandler(folder: string): Promise<HandlerParameters> {
  const hasManifest = await stat(join(folder, 'MAR-INF', 'MANIFEST.json')).then(
    () => true,
    () => false,
  );
  if (hasManifest) return {};
  const sources = (await readdir(folder)).filter((name) => RUNTIME_OF_ENDING.has(extname(name)));
  const named = sources.filter((name) => basename(name, extname(name)) === 'handler');
  const [only, ...others] = named.length > 0 ? named : sources;
  if (only === undefined || others.length > 0) return {};
  return { handler: only, runtime: RUNTIME_OF_ENDING.get(extname(only)) };
}
