// How much of the machine's memory the server may fill with requests when nobody says so. The machine is the container, where there is one.
import { totalmem } from 'node:os';

/** The models need the rest. */
const SHARE = 8;

/** A whole number of mebibytes. */
const STEP_BYTES = 1024 * 1024;

export function defaultBufferedBytes(): number {
  const allowedBytes = process.constrainedMemory() ?? 0;
  // Without a limit, the system says 0 or more than there is.
  const bytes = allowedBytes > 0 ? Math.min(allowedBytes, totalmem()) : totalmem();
  return Math.max(STEP_BYTES, Math.floor(bytes / SHARE / STEP_BYTES) * STEP_BYTES);
}
