// The media type that a file's name suggests, for requests whose body is a file that somebody named.
import { extname } from 'node:path';

/** Bytes of which nothing is known. */
export const ANY_BYTES = 'application/octet-stream';

const TYPE_OF_ENDING: ReadonlyMap<string, string> = new Map([
  ['.json', 'application/json'],
  ['.txt', 'text/plain'],
  ['.md', 'text/plain'],
  ['.csv', 'text/csv'],
  ['.html', 'text/html'],
  ['.xml', 'application/xml'],
  ['.jsonl', 'application/x-ndjson'],
  ['.ndjson', 'application/x-ndjson'],
  ['.png', 'image/png'],
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.webp', 'image/webp'],
  ['.gif', 'image/gif'],
  ['.bmp', 'image/bmp'],
  ['.tif', 'image/tiff'],
  ['.tiff', 'image/tiff'],
  ['.wav', 'audio/wav'],
  ['.mp3', 'audio/mpeg'],
  ['.flac', 'audio/flac'],
  ['.ogg', 'audio/ogg'],
  ['.mp4', 'video/mp4'],
  ['.pdf', 'application/pdf'],
]);

/** The content type of a file by its name. */
export function contentTypeOf(file: string): string {
  return TYPE_OF_ENDING.get(extname(file).toLowerCase()) ?? ANY_BYTES;
}
