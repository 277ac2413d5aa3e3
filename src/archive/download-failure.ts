// The errors of fetching an archive, worded in one place: each names the URL as it may be shown, and what to do.
import { ServingError } from '../core/errors.ts';
import { shownUrl } from '../core/shown-url.ts';

/** A DOWNLOAD_FAILED. `reason` ends the sentence that tells that it failed. */
export function downloadFailed(url: string, reason: string, cause?: unknown): ServingError {
  const shown = shownUrl(url);
  return new ServingError(
    'DOWNLOAD_FAILED',
    `Failed to download archive from: ${shown} - ${reason}.`,
    { url: shown },
    cause,
  );
}

/** A URL_NOT_ALLOWED. `reason` says which rule is broken. */
export function urlNotAllowed(url: string, reason: string): ServingError {
  const shown = shownUrl(url);
  return new ServingError(
    'URL_NOT_ALLOWED',
    `${shown} is not a URL from which archives may be fetched: ${reason}. Set allowed_urls to a list of expressions, one of which ` +
      'fits the whole URL, or copy the archive into the model store.',
    { url: shown },
  );
}

/** A DOWNLOAD_NAME_TAKEN for the file `name`. */
export function nameTaken(url: string, name: string): ServingError {
  const shown = shownUrl(url);
  return new ServingError(
    'DOWNLOAD_NAME_TAKEN',
    `The model store already has ${name}, and the download of ${shown} would get this name. Register that file by its name, or ` +
      'remove it (where it belongs to a registered model: unregister that first), or publish the archive under another name.',
    { url: shown, value: name },
  );
}

/** A CHECKSUM_MISMATCH. */
export function checksumMismatch(url: string, actual: string, wanted: string): ServingError {
  const shown = shownUrl(url);
  return new ServingError(
    'CHECKSUM_MISMATCH',
    `The archive from ${shown} has the SHA-256 ${actual}, and the registration asks for ${wanted}. Correct sha256, or find out who ` +
      'changed the archive.',
    { url: shown, parameter: 'sha256' },
  );
}

/** The system's or the HTTP library's code of what was thrown, undefined when it has none. */
export function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
}
