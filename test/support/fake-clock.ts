// Time that stands still until a test moves it. Timers fire in the order of their moments, ties in the order they were set.
import type { Clock, Timer } from '../../src/core/ports.ts';

interface Pending {
  readonly at: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #now = 0;
  readonly #pending = new Set<Pending>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const pending = { at: this.#now + delayMs, callback };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** Timers that wait to fire. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  /** Moves on by `ms`, firing on the way what is due, also what fired timers set. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#nextUntil(end); next !== undefined; next = this.#nextUntil(end)) {
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
    }
    this.#now = end;
  }

  /** Moves on by `ms` while nothing fires, as when the event loop is busy: due timers come late, with the next advance. */
  stall(ms: number): void {
    this.#now += ms;
  }

  #nextUntil(end: number): Pending | undefined {
    let earliest: Pending | undefined;
    for (const pending of this.#pending) {
      if (pending.at <= end && (earliest === undefined || pending.at < earliest.at)) earliest = pending;
    }
    return earliest;
  }
}
