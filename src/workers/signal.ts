// Something that happens once and can be waited for. It may outlive by far what is waited for beside it (a worker has many processes before it
// is stopped), so whoever waits no longer is forgotten: Promise.race would keep the outcome of every wait.
import type { Clock } from '../core/ports.ts';

export class Signal {
  #isSet = false;
  readonly #waiting = new Set<() => void>();

  get isSet(): boolean {
    return this.#isSet;
  }

  set(): void {
    this.#isSet = true;
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** Resolves when it happens. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#whenSet(resolve));
  }

  /** Resolves when it happens or after `timeoutMs`, whichever is first. */
  within(timeoutMs: number, clock: Clock): Promise<void> {
    if (timeoutMs === Infinity || this.#isSet) return this.wait();
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        resolve();
      };
      const timer = clock.after(timeoutMs, () => {
        this.#waiting.delete(wake);
        resolve();
      });
      this.#whenSet(wake);
    });
  }

  /** What `work` comes to, good or bad; `instead` if this has happened, or does so first. */
  unless<Outcome>(work: Promise<Outcome>, instead: Outcome): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const wake = () => resolve(instead);
      this.#whenSet(wake);
      work.then(resolve, reject).finally(() => this.#waiting.delete(wake));
    });
  }

  #whenSet(wake: () => void): void {
    if (this.#isSet) wake();
    else this.#waiting.add(wake);
  }
}
