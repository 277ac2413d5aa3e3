// Something that is looked at several times a second. A look that takes long delays the next one, so no two overlap.
import type { Clock, Timer } from '../core/ports.ts';

export class Ticks {
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #look: () => void | Promise<void>;
  #timer: Timer | undefined;
  #isRunning = false;
  #isLooking = false;

  constructor(clock: Clock, everyMs: number, look: () => void | Promise<void>) {
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#look = look;
  }

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    // A look that is under way since before the stop goes on to the next one by itself.
    if (!this.#isLooking) this.#arm();
  }

  /** No look begins after this. */
  stop(): void {
    this.#isRunning = false;
    this.#timer?.cancel();
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#everyMs, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    this.#isLooking = true;
    const looked = this.#look();
    if (looked !== undefined) await looked;
    this.#isLooking = false;
    if (this.#isRunning) this.#arm();
  }
}
