// The line that shows how far a model named on the command line has come: on a terminal only, redrawn in place, gone when nothing is under way.
import type { LoadPhase, PhaseReport } from '../../core/load-progress.ts';
import { barText, CLEAR_LINE, drawLine, type ProgressStream } from './progress.ts';
import { sizeText } from './words.ts';

const REDRAW_MS = 200;

const VERBS: Readonly<Record<LoadPhase, string>> = {
  download: 'downloading',
  unpack: 'unpacking',
  environment: 'installing packages',
  spawn: 'starting',
  load: 'loading',
  'warm-up': 'warming up',
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
    drawLine(this.#stream, lineFor(latest, this.#now()));
  }
}

function lineFor({ model, beganAt, report }: Running, now: number): string {
  const { phase, doneBytes, totalBytes } = report;
  const seconds = `${((now - beganAt) / 1000).toFixed(1)} s`;
  const what = `${model}: ${VERBS[phase]}`;
  if (doneBytes === undefined) return `${what} ${seconds}`;
  if (totalBytes === undefined || totalBytes === 0) return `${what} ${sizeText(doneBytes)}  ${seconds}`;
  return `${what} ${barText(doneBytes, totalBytes)}  ${seconds}`;
}
