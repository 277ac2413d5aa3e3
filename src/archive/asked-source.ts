// The `url` of a registration as a source of bytes: which kind of URL it is, and the name that its file gets in the model store.
import { ServingError } from '../core/errors.ts';
import { shownUrl } from '../core/shown-url.ts';
import { downloadFailed } from './download-failure.ts';

/** Longer than any signed URL. */
const MAX_URL_LENGTH = 8_192;
/** What the file systems of the world take. */
const MAX_NAME_BYTES = 255;

/** A URL that can be fetched. */
export interface AskedSource {
  readonly url: URL;
  /** A bare name: what stands behind the last slash of the path, to the letter as it was asked for. */
  readonly fileName: string;
}

/** Whether a `url` is an http, https or file URL, well-formed or not; everything else is a name in the model store. */
export function isSourceUrl(url: string): boolean {
  return /^(?:https?|file):\/\//i.test(url);
}

/** Reads a URL for which isSourceUrl is true. Throws DOWNLOAD_FAILED, and ARCHIVE_PATH_FORBIDDEN for a `..`. */
export function readSource(text: string): AskedSource {
  if (text.includes('..')) {
    const shown = shownUrl(text);
    throw new ServingError('ARCHIVE_PATH_FORBIDDEN', `Relative path is not allowed in url: ${shown}`, { url: shown });
  }
  // A backslash is a slash to some and a letter to others; what one checks, another one would fetch.
  if (text.length > MAX_URL_LENGTH || /[\p{Cc}\\]/u.test(text) || !URL.canParse(text)) {
    throw downloadFailed(text, `it is not a valid URL of at most ${MAX_URL_LENGTH} characters`);
  }
  const [path = ''] = text.split(/[?#]/, 1);
  const fileName = path.slice(path.lastIndexOf('/') + 1);
  const hasPath = path.split('/').length > 3;
  if (!hasPath || fileName === '' || fileName.startsWith('.') || Buffer.byteLength(fileName) > MAX_NAME_BYTES) {
    throw downloadFailed(
      text,
      'its path does not end in the name of a file (which may not begin with a dot), so the file would have no name in the model store',
    );
  }
  return { url: new URL(text), fileName };
}
