// A line that is redrawn in place on a terminal, and the bar in it. What it says, and when it is drawn, is up to those who draw it.
import { sizeText } from './words.ts';

const BAR_WIDTH = 24;
/** For a terminal that does not know its width, and says 0. */
const DEFAULT_COLUMNS = 80;

/** Takes the line away. */
export const CLEAR_LINE = '\r\x1b[K';

/** What a terminal has to be able to do: `process.stderr` is one. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/**
 * Puts the text in the place of the line before, cut to the terminal's width: a line that wraps cannot be taken away. The cursor goes back: what
 * is printed next covers the line, and does not continue it.
 */
export function drawLine(stream: ProgressStream, text: string): void {
  stream.write(`${CLEAR_LINE}${text.slice(0, (stream.columns || DEFAULT_COLUMNS) - 1)}\r`);
}

/** `███░░░  50 %  1.0 MB of 2.0 MB`. */
export function barText(doneBytes: number, totalBytes: number): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const filled = Math.round(share * BAR_WIDTH);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  return `${bar} ${percent}  ${sizeText(doneBytes)} of ${sizeText(totalBytes)}`;
}
