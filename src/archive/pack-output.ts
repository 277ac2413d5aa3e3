// Where a new archive goes: the folder, and what may be replaced. The wording is torch-model-archiver's where scripts may look for it.
import { mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { isInside } from './inside.ts';
import { archiveName, type PackFormat } from './pack.ts';
import { PackError } from './pack-error.ts';
import { MANIFEST_PATH, type PackedFile } from './pack-list.ts';

export interface PackOutput {
  /** As the export path is written: relative when that is. */
  readonly path: string;
  /** One line each about what was done to get there. */
  readonly notices: readonly string[];
}

/** Makes the export folder, and refuses to replace what is there unless `isForced`. Throws PackError. */
export async function prepareOutput(
  modelName: string,
  exportPath: string,
  format: PackFormat,
  isForced: boolean,
): Promise<PackOutput> {
  const notices: string[] = [];
  const folder = await stat(exportPath).catch(() => undefined);
  if (folder === undefined) {
    notices.push(`Export path ${exportPath} does not exist. It is created.`);
    await mkdir(exportPath, { recursive: true });
  } else if (!folder.isDirectory()) {
    throw new PackError(`Given export-path ${exportPath} is not a directory. Point to a valid export-path directory.`);
  }
  const path = join(exportPath, archiveName(modelName, format));
  const there = await stat(path).catch(() => undefined);
  if (there === undefined) return { path, notices };
  if (!isForced) {
    throw new PackError(
      `${path} already exists.\nPlease specify --force/-f option to overwrite the model archive output file.\nSee -h/--help for more details.`,
    );
  }
  await refuseOtherKind(path, there.isDirectory(), format);
  return { path, notices: [...notices, `Overwriting ${path} ...`] };
}

/** A folder is replaced by a folder only, and only when it is a packed model; a file only by a file. */
async function refuseOtherKind(path: string, isFolder: boolean, format: PackFormat): Promise<void> {
  if (isFolder !== (format === 'no-archive')) {
    throw new PackError(
      `${path} is ${isFolder ? 'a folder' : 'a file'}, and is not replaced by ${isFolder ? 'a file' : 'a folder'}. Remove it, or choose another --export-path.`,
    );
  }
  if (!isFolder || (await stat(join(path, MANIFEST_PATH)).catch(() => undefined)) !== undefined) return;
  throw new PackError(
    `${path} is a folder without ${MANIFEST_PATH}, so it may hold more than a packed model, and is not replaced. Choose another --export-path or --model-name.`,
  );
}

/** Refuses to replace a folder with what is packed from inside of it. Throws PackError. */
export async function refuseOwnSource(output: string, files: readonly PackedFile[]): Promise<void> {
  const folder = await realpath(output).catch(() => resolve(output));
  for (const { source } of files) {
    if (!isInside(folder, await realpath(dirname(source)))) continue;
    throw new PackError(`${output} would be replaced, but ${source} is packed from it. Choose another --export-path.`);
  }
}
