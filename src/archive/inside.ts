// Whether one real path lies in another: the question behind every "not out of the store".
import { relative, sep } from 'node:path';

/** True for the folder itself, too. Both must be real paths: links are not followed here. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}
