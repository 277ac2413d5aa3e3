// A timer that is set at most once at a time: whoever watches several things with it sets it anew when it has gone off.
import type { Clock, Timer } from '../core/ports.ts';

export class Alarm {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #timer: Timer | undefined;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Goes off once, after `delayMs`, and never for Infinity. Nothing changes when it is set already. */
  set(delayMs: number): void {
    if (this.#timer !== undefined || delayMs === Infinity) return;
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#onDue();
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
