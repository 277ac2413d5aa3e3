// What a registration asks for, as the management API hands it over: typed, with units, undefined where the caller said nothing.
import type { Batching } from '../core/batching.ts';

/** The parameters of one registration. */
export interface RegisterParameters {
  /** The archive, to the letter as it was asked for. */
  readonly url: string;
  readonly modelName?: string | undefined;
  readonly handler?: string | undefined;
  readonly runtime?: string | undefined;
  readonly batchSize?: number | undefined;
  readonly maxBatchDelayMs?: number | undefined;
  readonly batching?: Batching | undefined;
  readonly initialWorkers?: number | undefined;
  /** Workers above the maximum while one is replaced. */
  readonly maxSurge?: number | undefined;
  /** Whether the answer waits for the workers; it is no part of the model's settings. */
  readonly synchronous?: boolean | undefined;
  readonly responseTimeoutSec?: number | undefined;
  readonly startupTimeoutSec?: number | undefined;
  /** Lower-case hex SHA-256 that the archive's file must have. */
  readonly sha256?: string | undefined;
  /** Whether the download of an archive is signed with the server's AWS keys. */
  readonly s3SseKms?: boolean | undefined;
}
