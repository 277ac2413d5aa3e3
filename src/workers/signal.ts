// Something that happens once and can be waited for.
import type { Clock } from '../core/ports.ts';

export class Signal {
  #isSet = false;
  #resolve: () => void = () => {};
  readonly #promise: Promise<void>;

  constructor() {
    this.#promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  set(): void {
    this.#isSet = true;
    this.#resolve();
  }

  wait(): Promise<void> {
    return this.#promise;
  }

  /** Resolves when it happens or after `timeoutMs`, whichever is first. */
  async within(timeoutMs: number, clock: Clock): Promise<void> {
    if (timeoutMs === Infinity) return this.#promise;
    let timedOut = () => {};
    const timeout = new Promise<void>((resolve) => {
      timedOut = resolve;
    });
    const timer = clock.after(timeoutMs, timedOut);
    await Promise.race([this.#promise, timeout]);
    timer.cancel();
  }
}
