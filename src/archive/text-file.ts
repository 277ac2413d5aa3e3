// Reads the small text files of an archive that the server itself understands: the manifest and the model's configuration.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ServingError } from '../core/errors.ts';

/** More than any manifest or configuration needs. */
export const MAX_TEXT_FILE_BYTES = 1024 * 1024;

/**
 * The text of a file of the archive, undefined when there is none. Throws MANIFEST_INVALID when it is not a file, is larger than
 * 1 MiB, or is not UTF-8; a byte order mark is dropped.
 */
export async function readTextFile(modelDir: string, path: string): Promise<string | undefined> {
  const file = join(modelDir, path);
  let bytes: Buffer;
  try {
    const status = await stat(file);
    if (!status.isFile()) throw new ServingError('MANIFEST_INVALID', `${path} is not a file.`);
    if (status.size > MAX_TEXT_FILE_BYTES) {
      throw new ServingError('MANIFEST_INVALID', `${path} is larger than ${MAX_TEXT_FILE_BYTES} bytes.`);
    }
    bytes = await readFile(file);
  } catch (thrown) {
    if (isAbsence(thrown)) return undefined;
    throw thrown;
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ServingError('MANIFEST_INVALID', `${path} is not UTF-8 text. Save it as UTF-8.`, {}, cause);
  }
}

function isAbsence(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR');
}
