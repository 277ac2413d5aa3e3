// How patient a transfer is with a server that breaks off, or that is slow.

export interface TransferLimits {
  /** Times that a transfer may break without getting any further. */
  readonly maxBreaks: number;
  /** Wait before the first resumption; it doubles with each one that brings nothing. */
  readonly backOffMs: number;
  /** At least so many bytes must arrive in each window. */
  readonly minWindowBytes: number;
  readonly windowMs: number;
}

export const DEFAULT_LIMITS: TransferLimits = {
  maxBreaks: 4,
  backOffMs: 500,
  minWindowBytes: 64 * 1024,
  windowMs: 60_000,
};
