// The line that shows how far packing has come: on a terminal only, redrawn in place, gone at the end.
import { sizeText } from './archive-words.ts';

const REDRAW_MS = 100;
const BAR_WIDTH = 24;
/** For a terminal that does not know its width, and says 0. */
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\x1b[K';

/** What a terminal has to be able to do: `process.stderr` is one. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

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
    this.#stream.write(CLEAR_LINE + this.#line(now).slice(0, (this.#stream.columns || DEFAULT_COLUMNS) - 1));
  }

  /** Takes the line away, whether all was packed or not. */
  end(): void {
    if (this.#stream.isTTY === true && this.#drawnAt > 0) this.#stream.write(CLEAR_LINE);
  }

  #line(now: number): string {
    const share = this.#totalBytes === 0 ? 1 : Math.min(1, this.#bytes / this.#totalBytes);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const perSecond = (this.#bytes / Math.max(1, now - this.#startedAt)) * 1000;
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    const sizes = `${sizeText(this.#bytes)} of ${sizeText(this.#totalBytes)}`;
    return `${this.#name} ${bar} ${percent}  ${sizes}  ${(perSecond / 1e6).toFixed(0)} MB/s`;
  }
}
