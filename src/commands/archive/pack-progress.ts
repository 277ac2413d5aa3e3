// The line that shows how far packing has come: on a terminal only, redrawn in place, gone at the end.
import { barText, CLEAR_LINE, drawLine, type ProgressStream } from '../terminal/progress.ts';

const REDRAW_MS = 100;

export class PackProgress {
  readonly #stream: ProgressStream;
  readonly #name: string;
  readonly #totalBytes: number;
  readonly #now: () => number;
  readonly #startedAt: number;
  #bytes = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;

  /** `now` is in milliseconds. */
  constructor(stream: ProgressStream, name: string, totalBytes: number, now: () => number) {
    this.#stream = stream;
    this.#name = name;
    this.#totalBytes = totalBytes;
    this.#now = now;
    this.#startedAt = now();
  }

  addBytes(count: number): void {
    this.#bytes += count;
    const now = this.#now();
    if (this.#stream.isTTY !== true || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    drawLine(this.#stream, this.#line(now));
  }

  /** Takes the line away, whether all was packed or not. */
  end(): void {
    if (this.#stream.isTTY === true && this.#drawnAt > 0) this.#stream.write(CLEAR_LINE);
  }

  #line(now: number): string {
    const perSecond = (this.#bytes / Math.max(1, now - this.#startedAt)) * 1000;
    return `${this.#name} ${barText(this.#bytes, this.#totalBytes)}  ${(perSecond / 1e6).toFixed(0)} MB/s`;
  }
}
