// Where an archive's bytes come from when they are not in the model store yet: the port behind which downloads.ts fetches them.
import type { PhaseMeter } from '../core/load-progress.ts';

/** What a registration asks of a source. */
export interface SourceRequest {
  /** Lower-case hex; the bytes must have this SHA-256. */
  readonly sha256: string | undefined;
  /** Whether an http(s) request is signed with the AWS keys of the environment (`s3_sse_kms`). */
  readonly s3SseKms: boolean;
  /** Hears how many bytes have arrived, and how many there will be. */
  readonly meter: PhaseMeter;
  /** Ends the fetching; its reason is what `fetch` fails with. */
  readonly signal: AbortSignal;
}

/** A complete file in the model store that was fetched for a registration. */
export interface SourceFile {
  readonly path: string;
  /** Lower-case hex SHA-256 of its bytes, taken while they arrived: nobody needs to read the file for it. */
  readonly sha256: string;
  /** Gives the file up; with the last registration that uses it, it is deleted. Can be called again. */
  release(): Promise<void>;
}

export interface SourceFetcher {
  /** Whether this URL is for the fetcher, allowed or not; the other ones are names in the model store. */
  handles(url: string): boolean;
  /**
   * Throws URL_NOT_ALLOWED, DOWNLOAD_FAILED, DOWNLOAD_NAME_TAKEN, CHECKSUM_MISMATCH, ARCHIVE_PATH_FORBIDDEN for a `..`,
   * MODEL_STORE_MISSING, or the signal's reason; nothing is left behind then. No message holds the credentials of the URL.
   */
  fetch(url: string, request: SourceRequest): Promise<SourceFile>;
}
