// Notices when a worker that owes an answer has given no sign of life for too long. One timer serves all batches: it looks when the last
// sign came instead of being set anew for each. What follows from the silence is the owner's business.
import type { Clock } from '../core/ports.ts';
import { Alarm } from './alarm.ts';

/** `excused` begins the patience anew. */
export type SilenceVerdict = 'nothing-owed' | 'excused' | 'guilty';

export interface ResponseWatchOptions {
  /** Infinity for a worker that may take as long as it likes. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** What the silence would mean now. */
  verdict(): SilenceVerdict;
  onSilence(): void;
}

export class ResponseWatch {
  readonly #options: ResponseWatchOptions;
  #heardAt = 0;
  readonly #alarm: Alarm;

  constructor(options: ResponseWatchOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#look());
  }

  /** The worker owes an answer from now on. */
  begin(): void {
    this.heard();
    this.#alarm.set(this.#options.timeoutMs);
  }

  /** A sign of life. */
  heard(): void {
    this.#heardAt = this.#options.clock.now();
  }

  stop(): void {
    this.#alarm.cancel();
  }

  #look(): void {
    const { timeoutMs, clock } = this.#options;
    const verdict = this.#options.verdict();
    if (verdict === 'nothing-owed') return;
    if (verdict === 'excused') this.heard();
    const leftMs = this.#heardAt + timeoutMs - clock.now();
    if (leftMs > 0) this.#alarm.set(leftMs);
    else this.#options.onSilence();
  }
}
