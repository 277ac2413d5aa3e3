// A disk without room for what an archive unpacks to: how it is recognised, and what to do about it.
import { ServingError } from '../core/errors.ts';
import { codeOf } from './download-failure.ts';

/** Full, or no more of it for this user. */
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** Whether the system refused something because a disk is full. */
export function isDiskFull(thrown: unknown): boolean {
  return NO_ROOM.has(codeOf(thrown) ?? '');
}

/** STORAGE_FULL; the message continues "Cannot load …: ". */
export function diskFull(thrown: unknown): ServingError {
  const code = codeOf(thrown);
  const what = code === 'EDQUOT' ? 'the quota on the disk of the cache is used up' : 'the disk of the cache is full';
  const advice = 'Make room on it, lower cache_size, or set cache_dir to a folder on another disk.';
  return new ServingError('STORAGE_FULL', `it could not be unpacked: ${what} (${code}). ${advice}`, {}, thrown);
}
