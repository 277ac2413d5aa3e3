// The last lines of a server's log, for whoever waits on a terminal for a server that did not start.
import { open } from 'node:fs/promises';

const MAX_LINES = 20;
const MAX_BYTES = 64 * 1024;

/** What was written behind `from` bytes, at most the last 20 lines; entries of the log as `LEVEL message`. */
export async function endOfLog(path: string, from: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = Math.max(from, size - MAX_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.max(0, size - start)), 0, null, start);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    const shown = lines.filter((line) => line !== '').slice(-MAX_LINES);
    return shown.map((line) => `  ${readable(line)}\n`).join('');
  } finally {
    await file.close();
  }
}

function readable(line: string): string {
  try {
    const { level, msg, reason } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    return `${String(level).toUpperCase()} ${String(msg)}${reason === undefined ? '' : `: ${String(reason)}`}`;
  } catch {
    return line;
  }
}
