// Reads a worker's stdout or stderr as log lines. It always drains the pipe, caps lines in length and rate, keeps the last few for error
// reports, and counts what it drops: a flooding handler must not cost the server more than the reading.
import type { Readable } from 'node:stream';
import type { Clock } from '../core/ports.ts';

const MAX_LINE_BYTES = 16 * 1024;
const MAX_LINES_PER_SECOND = 500;
const TAIL_LINES = 50;
const NEWLINE = 0x0a;
const SPACE = 0x20;

/** A line as it was read; it becomes text only when somebody wants it. */
interface RawLine {
  readonly pieces: readonly Buffer[];
  readonly isCut: boolean;
}

export class LineTap {
  readonly #clock: Clock;
  readonly #onLine: (line: string) => void;
  readonly #tail: RawLine[] = [];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #isCutting = false;
  #windowStartedAt = -Infinity;
  #linesInWindow = 0;
  #droppedLines = 0;

  constructor(stream: Readable, clock: Clock, onLine: (line: string) => void) {
    this.#clock = clock;
    this.#onLine = onLine;
    stream.on('data', (chunk: Buffer) => this.#push(chunk));
    stream.on('end', () => {
      this.#endLine(Buffer.alloc(0));
      this.#reportDropped();
    });
    // A pipe error only means that there is nothing more to read; the process's exit tells the story.
    stream.on('error', () => {});
  }

  /** The last lines, oldest first, also those that were too many for the log: they tell why a process died. */
  get tail(): readonly string[] {
    return this.#tail.map(textOf);
  }

  #push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#endLine(chunk.subarray(start, end));
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
  }

  #keep(rest: Buffer): void {
    if (rest.length === 0 || this.#isCutting) return;
    this.#pending.push(rest.subarray(0, MAX_LINE_BYTES - this.#pendingBytes));
    this.#pendingBytes += rest.length;
    this.#isCutting = this.#pendingBytes > MAX_LINE_BYTES;
  }

  #endLine(rest: Buffer): void {
    this.#keep(rest);
    const line = { pieces: this.#pending, isCut: this.#isCutting };
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#isCutting = false;
    if (line.pieces.every(isBlank)) return;
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    if (this.#isWithinRate()) this.#onLine(textOf(line));
  }

  #isWithinRate(): boolean {
    const now = this.#clock.now();
    if (now - this.#windowStartedAt >= 1000) {
      this.#windowStartedAt = now;
      this.#linesInWindow = 0;
      this.#reportDropped();
    }
    this.#linesInWindow += 1;
    if (this.#linesInWindow <= MAX_LINES_PER_SECOND) return true;
    // A worker that falls silent after a flood must not keep the count to itself.
    if (this.#droppedLines === 0) this.#clock.after(1000, () => this.#reportDropped());
    this.#droppedLines += 1;
    return false;
  }

  #reportDropped(): void {
    if (this.#droppedLines === 0) return;
    this.#onLine(`[${this.#droppedLines} lines dropped: over ${MAX_LINES_PER_SECOND} lines a second]`);
    this.#droppedLines = 0;
  }
}

function isBlank(piece: Buffer): boolean {
  return piece.every((byte) => byte <= SPACE);
}

function textOf({ pieces, isCut }: RawLine): string {
  const text = Buffer.concat(pieces).toString('utf8').trimEnd();
  return isCut ? `${text} [line cut at ${MAX_LINE_BYTES} bytes]` : text;
}
