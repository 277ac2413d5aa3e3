// Reads a worker's stdout or stderr as log lines. It always drains the pipe, caps lines in length and rate, keeps the last few for error
// reports, and counts what it drops: a flooding handler must not cost the server more than the reading.
import type { Readable } from 'node:stream';
import type { Clock } from '../core/ports.ts';

const MAX_LINE_BYTES = 16 * 1024;
const MAX_LINES_PER_SECOND = 500;
const TAIL_LINES = 50;
const NEWLINE = 0x0a;

export class LineTap {
  readonly #clock: Clock;
  readonly #onLine: (line: string) => void;
  readonly #tail: string[] = [];
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
    stream.on('end', () => this.#endLine(Buffer.alloc(0)));
    // A pipe error only means that there is nothing more to read; the process's exit tells the story.
    stream.on('error', () => {});
  }

  /** The last lines, oldest first. */
  get tail(): readonly string[] {
    return this.#tail;
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
    this.#isCutting = this.#pendingBytes >= MAX_LINE_BYTES;
  }

  #endLine(rest: Buffer): void {
    this.#keep(rest);
    const hadBytes = this.#pendingBytes > 0;
    if (hadBytes && this.#isWithinRate()) {
      const text = Buffer.concat(this.#pending).toString('utf8').trimEnd();
      if (text !== '') this.#emit(this.#isCutting ? `${text} [line cut at ${MAX_LINE_BYTES} bytes]` : text);
    }
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#isCutting = false;
  }

  #isWithinRate(): boolean {
    const now = this.#clock.now();
    if (now - this.#windowStartedAt >= 1000) {
      this.#windowStartedAt = now;
      this.#linesInWindow = 0;
      if (this.#droppedLines > 0)
        this.#emit(`[${this.#droppedLines} lines dropped: over ${MAX_LINES_PER_SECOND} lines a second]`);
      this.#droppedLines = 0;
    }
    this.#linesInWindow += 1;
    if (this.#linesInWindow <= MAX_LINES_PER_SECOND) return true;
    this.#droppedLines += 1;
    return false;
  }

  #emit(line: string): void {
    this.#tail.push(line);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    this.#onLine(line);
  }
}
