// Packing as a command does it: with a progress line on a terminal, ended by Ctrl-C without leaving anything.
import { basename } from 'node:path';
import { type PackRequest, pack } from '../../archive/pack.ts';
import { PackError } from '../../archive/pack-error.ts';
import { systemReason } from '../terminal/failure.ts';
import { PackProgress } from './pack-progress.ts';

/** Resolves when the archive is complete. Throws PackError, which after SIGINT or SIGTERM is a PackStopped; nothing is left then. */
export async function packOnTerminal(request: PackRequest): Promise<void> {
  const stopped = new AbortController();
  const stop = (signal: NodeJS.Signals) => stopped.abort(new PackStopped(signal));
  const totalBytes = request.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = new PackProgress(process.stderr, basename(request.output), totalBytes, () => performance.now());
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    await pack(request, { signal: stopped.signal, onBytes: (count) => progress.addBytes(count) });
  } catch (thrown) {
    throw thrown instanceof PackError ? thrown : packFailure(request, thrown);
  } finally {
    progress.end();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/** In the words of torch-model-archiver. */
function packFailure({ modelName, output }: PackRequest, thrown: unknown): PackError {
  const isInputOutput = thrown instanceof Error && 'syscall' in thrown;
  const what = isInputOutput
    ? `Failed to save the model-archive to model-path "${output}". Check the file permissions and retry.`
    : `Failed to convert ${modelName} to the model-archive.`;
  return new PackError(`${what}\n${systemReason(thrown)}`, thrown);
}

const SIGNAL_NUMBERS: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 2, SIGTERM: 15 };

/** The user ended it. */
export class PackStopped extends PackError {
  /** What a shell expects of a command that was ended so. */
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}; nothing was written`);
    this.name = 'PackStopped';
    this.exitCode = 128 + (SIGNAL_NUMBERS[signal] ?? 0);
  }
}
