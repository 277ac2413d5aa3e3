// Packing as a command does it: with a progress line on a terminal, ended by Ctrl-C without leaving anything.
import { basename } from 'node:path';
import { type PackRequest, pack } from '../archive/pack.ts';
import { PackProgress } from './archive-progress.ts';

/** Resolves when the archive is complete. After SIGINT or SIGTERM it rejects with a PackStopped, and nothing is left. */
export async function packOnTerminal(request: PackRequest): Promise<void> {
  const stopped = new AbortController();
  const stop = (signal: NodeJS.Signals) => stopped.abort(new PackStopped(signal));
  const totalBytes = request.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = new PackProgress(process.stderr, basename(request.output), totalBytes, () => performance.now());
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    await pack(request, { signal: stopped.signal, onBytes: (count) => progress.addBytes(count) });
  } finally {
    progress.end();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

const SIGNAL_NUMBERS: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 2, SIGTERM: 15 };

/** The user ended it. */
export class PackStopped extends Error {
  /** What a shell expects of a command that was ended so. */
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}; nothing was written`);
    this.name = 'PackStopped';
    this.exitCode = 128 + (SIGNAL_NUMBERS[signal] ?? 0);
  }
}
