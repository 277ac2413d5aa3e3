// Opens whatever stands for a model on disk (an archive, a folder, an .onnx file) and reads its content.
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { ServingError } from '../core/errors.ts';
import { type ArchiveContent, ContentReader, contentOfFiles } from './content.ts';
import { addFolder, packedFile } from './pack-collect.ts';
import { MANIFEST_PATH, PackList } from './pack-list.ts';
import { readTextFile } from './text-file.ts';
import { archiveInvalid, DEFAULT_UNPACK_LIMITS, UnpackMeter } from './unpack-limits.ts';

const ZIP_STARTS: readonly string[] = ['PK\x03\x04', 'PK\x05\x06'];
const GZIP_START = '\x1f\x8b';

/** Throws ARCHIVE_NOT_FOUND; ARCHIVE_INVALID for what is no archive, is damaged or is beyond the limits; PackError for a folder with odd files. */
export async function readContent(path: string): Promise<ArchiveContent> {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) throw new ServingError('ARCHIVE_NOT_FOUND', 'there is no such file or folder.');
  if (status.isDirectory()) return folderContent(path);
  if (!status.isFile()) throw archiveInvalid('it is neither a file nor a folder.');
  if (path.endsWith('.onnx')) return contentOfFiles([await packedFile(path, basename(path), path)], undefined, 'file');
  const handle = await open(path, 'r');
  try {
    return await archiveContent(handle);
  } catch (thrown) {
    if (thrown instanceof ServingError) throw thrown;
    throw archiveInvalid(`it is damaged (${thrown instanceof Error ? thrown.message : 'unreadable'}).`, thrown);
  } finally {
    await handle.close();
  }
}

async function archiveContent(handle: FileHandle): Promise<ArchiveContent> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
  const start = buffer.toString('latin1', 0, bytesRead);
  const reader = new ContentReader();
  const meter = new UnpackMeter(DEFAULT_UNPACK_LIMITS, new AbortController().signal);
  if (ZIP_STARTS.includes(start)) {
    const { readZip } = await import('./content-zip.ts');
    await readZip(handle, reader, meter);
    return reader.contentOf('zip');
  }
  if (start.startsWith(GZIP_START)) {
    const { readTarGz } = await import('./content-tar.ts');
    await readTarGz(handle, reader, meter);
    return reader.contentOf('tar.gz');
  }
  throw archiveInvalid("it is neither a zip nor a gzip'd tar archive, nor a folder, nor an .onnx file.");
}

/** Both names of a clash are listed, since judging them is not done here. */
async function folderContent(folder: string): Promise<ArchiveContent> {
  const list = new PackList('replace');
  await addFolder(list, folder, { except: '' });
  return contentOfFiles(list.files, await readTextFile(folder, MANIFEST_PATH));
}
