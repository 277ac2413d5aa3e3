// Finds out whether a worker that has nothing to do is still there: one that was stopped by a signal, or whose machine is stuck, exits as little
// as it answers. It asks on the control channel, where a thread of the worker's own answers. What a busy worker owes is answer-watch's business.
import type { Clock } from '../core/ports.ts';
import { Alarm } from './alarm.ts';

/**
 * How often it is looked whether the worker has said anything. A question costs both ends some 50 µs, so that a hundred idle workers cost
 * nothing to speak of; and nobody waits for the answer.
 */
const EVERY_MS = 5_000;

/**
 * How many questions in a row may stay without an answer. More than one: when the server itself was stopped for a while, its timers come before
 * the answers that wait in its sockets, but a second timer does not. Ten seconds in all: an interpreter may be held for some by a thread of the
 * handler's, and a machine may be short of memory.
 */
const MAX_UNANSWERED = 2;

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Whether the worker owes nothing now. */
  isIdle(): boolean;
  /** Asks the worker for a sign of life. */
  ask(id: number): void;
  /** It has said nothing for so long, although it was asked. */
  onSilence(silentSec: number): void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #alarm: Alarm;
  #lastId = 0;
  #unanswered = 0;
  #wasHeard = true;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#look());
  }

  /** The worker is to be there from now on. */
  begin(): void {
    this.#alarm.set(EVERY_MS);
  }

  /** A word of the worker, whatever it says. */
  heard(): void {
    this.#wasHeard = true;
  }

  stop(): void {
    this.#alarm.cancel();
  }

  #look(): void {
    if (this.#wasHeard || !this.#options.isIdle()) {
      this.#wasHeard = false;
      this.#unanswered = 0;
    } else if (this.#unanswered === MAX_UNANSWERED) {
      this.#options.onSilence((MAX_UNANSWERED * EVERY_MS) / 1000);
      return;
    } else {
      this.#unanswered += 1;
      this.#lastId += 1;
      this.#options.ask(this.#lastId);
    }
    this.begin();
  }
}
