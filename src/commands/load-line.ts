// The line that shows how far a model named on the command line has come: on a terminal only, redrawn in place, gone when nothing is under way.
import type { LoadPhase, PhaseReport } from '../core/load-progress.ts';
import type { ProgressStream } from './archive-progress.ts';
import { sizeText } from './archive-words.ts';

const REDRAW_MS = 200;
const BAR_WIDTH = 24;
/** For a terminal that does not know its width, and says 0. */
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\x1b[K';

const VERBS: Readonly<Record<LoadPhase, string>> = {
  download: 'downloading',
  unpack: 'unpacking',
  environment: 'installing packages',
  spawn: 'starting',
  load: 'loading',
  warmUp: 'warming up',
};

interface Running {
  readonly model: string;
  readonly beganAt: number;
  report: PhaseReport;
}

export class LoadLine {
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  /** By model and phase, in the order in which they began. */
  readonly #running = new Map<string, Running>();
  #redrawing: NodeJS.Timeout | undefined;

  /** `now` is in milliseconds. Draws nothing unless the stream is a terminal. */
  constructor(stream: ProgressStream, now: () => number) {
    this.#stream = stream;
    this.#now = now;
  }

  /** Takes what a LoadProgress reports. */
  hear(model: string, report: PhaseReport): void {
    if (this.#stream.isTTY !== true) return;
    const key = `${report.phase} ${model}`;
    const known = this.#running.get(key);
    if (report.state !== 'running') this.#running.delete(key);
    else if (known !== undefined) known.report = report;
    else this.#running.set(key, { model, beganAt: this.#now() - report.tookMs, report });
    if (this.#running.size === 0) {
      clearInterval(this.#redrawing);
      this.#redrawing = undefined;
      this.#stream.write(CLEAR_LINE);
    } else if (this.#redrawing === undefined) {
      this.#draw();
      this.#redrawing = setInterval(() => this.#draw(), REDRAW_MS).unref();
    }
  }

  #draw(): void {
    const latest = [...this.#running.values()].at(-1);
    if (latest === undefined) return;
    const width = (this.#stream.columns || DEFAULT_COLUMNS) - 1;
    // The cursor goes back: a line of the log then covers this one, and does not continue it.
    this.#stream.write(`${CLEAR_LINE}${lineFor(latest, this.#now()).slice(0, width)}\r`);
  }
}

function lineFor({ model, beganAt, report }: Running, now: number): string {
  const { phase, doneBytes, totalBytes } = report;
  const seconds = `${((now - beganAt) / 1000).toFixed(1)} s`;
  const what = `${model}: ${VERBS[phase]}`;
  if (doneBytes === undefined) return `${what} ${seconds}`;
  if (totalBytes === undefined || totalBytes === 0) return `${what} ${sizeText(doneBytes)}  ${seconds}`;
  const share = Math.min(1, doneBytes / totalBytes);
  const filled = Math.round(share * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const percent = `${Math.floor(share * 100)} %`.padStart(5);
  return `${what} ${bar} ${percent}  ${sizeText(doneBytes)} of ${sizeText(totalBytes)}  ${seconds}`;
}
