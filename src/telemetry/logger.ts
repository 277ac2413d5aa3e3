// The server's log: JSON lines on stdout, written asynchronously. When the reader of the log is slower than the server, lines are dropped and
// counted instead of slowing requests down.
import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import type { WorkerLog } from '../core/ports.ts';
import { AccessLog } from './access-log.ts';

/** What may wait to be written before lines are dropped. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

export type Log = PinoLogger;

export interface ServerLog {
  readonly log: Log;
  /** Undefined for a log that does not tell of single requests. */
  readonly access: AccessLog | undefined;
  /** Lines that were dropped since the start. */
  droppedLines(): number;
  /** Resolves when all lines so far have been handed to the operating system. */
  flush(): Promise<void>;
}

/** Opens the log on standard output. */
export function openLog(): ServerLog {
  let dropped = 0;
  // At least a byte: at 0, the destination takes a flush to be over while its last write is still under way.
  const destination = pino.destination({ dest: 1, sync: false, maxLength: MAX_BUFFERED_BYTES, minLength: 1 });
  destination.on('drop', (lines: string) => {
    dropped += lines.split('\n').length - 1;
  });
  // A reader that went away (a closed pipe) must not end the server.
  destination.on('error', () => {});
  const after = (delayMs: number, callback: () => void) => {
    // What has ended otherwise need not wait for its last lines: whoever ends in order flushes.
    const timer = setTimeout(callback, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  };
  const access = new AccessLog((lines) => destination.write(lines), { after });
  return {
    log: createLog(destination),
    access,
    droppedLines: () => dropped,
    flush: () => {
      access.flush();
      return new Promise((resolve) => destination.flush(() => resolve()));
    },
  };
}

/** A log that writes to any stream. */
export function createLog(destination: DestinationStream): Log {
  return pino(
    {
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

/** Writes what workers print and what happens to them, tagged with model, version and worker. */
export function workerLog(log: Log): WorkerLog {
  return {
    line: (tag, stream, text) => log[stream === 'stderr' ? 'warn' : 'info']({ ...tag, stream }, text),
    event: (tag, level, message, details) => log[level]({ ...tag, ...details }, message),
  };
}
