// What a file of pip's requirements asks for, as one digest: its own text, that of the files it refers to, and the local packages in them.
// Two models with the same digest need the same packages. pip itself reads the files; here nothing is checked.
import type { Hash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const INCLUDE = /^(?:-r|--requirement|-c|--constraint)[\s=]*(?<file>\S+)/;
const LOCAL_OPTION = /^(?:-e|--editable|-f|--find-links)[\s=]+(?<path>\S+)/;
const LOCAL_NAME = /^[./]|\/|\.(?:whl|zip|tar\.gz|tgz)$/;
/** What pip itself, or a build, writes into the folder of a project. */
const BY_PRODUCTS = /^(?:\..*|__pycache__|build|.*\.egg-info)$/;

/** A list that is longer is none: most likely the field names a file of weights. */
const MAX_FILE_BYTES = 1024 * 1024;

/** A list that cannot be read. The message continues "requirements.txt ", and names another file that is to blame. */
export class UnreadableList extends Error {}

/** Adds all that decides about the packages of `file` to the digest. Relative paths in it start at `cwd`, as with pip. Throws UnreadableList. */
export async function digestRequirements(
  digest: Hash,
  file: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const seen = new Set<string>();
  const addFile = async (path: string, asWritten?: string): Promise<void> => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = await textOf(path).catch((thrown: unknown) => {
      const why = problemOf(thrown);
      throw new UnreadableList(asWritten === undefined ? why : `names ${asWritten}, which ${why}`, {
        cause: thrown,
      });
    });
    digest.update(`file ${text.length}\n${text}\n`);
    for (const [, name = ''] of text.matchAll(/\$\{([A-Z0-9_]+)\}/g)) digest.update(`${name}=${env[name] ?? ''}\n`);
    for (const line of linesOf(text)) {
      const included = INCLUDE.exec(line)?.groups?.['file'];
      if (included === undefined) await addLocal(digest, localPath(line, cwd));
      else if (!/^https?:/.test(included)) await addFile(resolve(dirname(path), included), included);
    }
  };
  await addFile(file);
}

async function textOf(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new UnreadableList(`has ${size} bytes; a list has at most ${MAX_FILE_BYTES}`);
  return readFile(path, 'utf8');
}

function problemOf(thrown: unknown): string {
  if (thrown instanceof UnreadableList) return thrown.message;
  const { code } = thrown as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'is not in the archive';
  if (code === 'EISDIR') return 'is a folder';
  return `cannot be read (${code ?? String(thrown)})`;
}

/** Lines without comments, continued ones as one. */
function linesOf(text: string): string[] {
  const whole = text.replaceAll(/\\\r?\n/g, '');
  return whole.split(/\r?\n/).flatMap((line) => line.replace(/(?:^|\s)#.*$/, '').trim() || []);
}

/** Where a line leads on this machine, undefined when it names a package of an index. */
function localPath(line: string, cwd: string): string | undefined {
  const option = LOCAL_OPTION.exec(line)?.groups?.['path'];
  const [requirement = ''] = (option ?? line.replace(/^[\w.-]+(?:\[.*?\])?\s*@\s*/, '')).split(/\s*;|\s+/);
  const name = requirement.replace(/\[[^\]]*\]$/, '').replace(/#.*$/, '');
  if (name.startsWith('file://')) {
    try {
      return fileURLToPath(name);
    } catch {
      return undefined;
    }
  }
  const isLocal = (option !== undefined || LOCAL_NAME.test(name)) && !/^[a-z+]+:\/\//i.test(name);
  return isLocal ? resolve(cwd, name.replace(/^file:/, '')) : undefined;
}

/** A file or folder by names, sizes and times; what is not there is pip's to complain about. */
async function addLocal(digest: Hash, path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isDirectory()) {
    digest.update(`local ${path} ${found.size} ${found.mtimeNs}\n`);
    return;
  }
  const names = (await readdir(path)).filter((name) => !BY_PRODUCTS.test(name)).sort();
  for (const name of names) await addLocal(digest, join(path, name));
}
