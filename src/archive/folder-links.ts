// A folder is served in place, so its links are followed by whatever reads it. Links within the model store are the operator's way to share
// files between models; one that leads out of it would let a model read what the store does not hold.
import { readdir, realpath } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ServingError } from '../core/errors.ts';
import { isInside } from './inside.ts';

/** Throws ARCHIVE_INVALID for a link below `folder` that leads out of `store`, or nowhere. Both are real paths. */
export async function checkFolderLinks(folder: string, store: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  for (const entry of entries) {
    if (!entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    const target = await realpath(path).catch(() => undefined);
    if (target === undefined)
      throw new ServingError('ARCHIVE_INVALID', `The link "${name}" of the folder leads nowhere.`);
    if (isInside(store, target)) continue;
    throw new ServingError(
      'ARCHIVE_INVALID',
      `The link "${name}" leads out of the model store. Put the file itself into the store.`,
    );
  }
}
