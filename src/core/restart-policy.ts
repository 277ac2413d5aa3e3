// Whether and when a worker that ended starts again. Pure: the caller hands in the time and the chance.

export interface RestartDecision {
  readonly delayMs: number;
  /** For the log and for describe. */
  readonly reason: string;
}

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 60_000;
const JITTER = 0.2;

/**
 * The back-off of one worker. A worker that had answered a batch starts again at once; deaths before that double the delay from one
 * second up to a minute. It never gives up.
 */
export class RestartPolicy {
  readonly #random: () => number;
  #failures = 0;
  #failingSince: number | undefined;

  /** `random` gives numbers from 0 up to 1, for the jitter that keeps workers from restarting in step. */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Since when starts have failed without an answer in between; undefined when all is well. */
  get failingSince(): number | undefined {
    return this.#failingSince;
  }

  /** An answered batch proves that the worker works; and so does a request that was found to be the reason. */
  succeeded(): void {
    this.#failures = 0;
    this.#failingSince = undefined;
  }

  /** The worker ended, in the words of `how`. */
  next(how: string, now: number): RestartDecision {
    this.#failures += 1;
    if (this.#failures === 1) {
      this.#failingSince = now;
      return { delayMs: 0, reason: `restarting after ${how}` };
    }
    const doubled = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#failures - 2));
    const jittered = Math.round(doubled * (1 + JITTER * (this.#random() * 2 - 1)));
    const delayMs = Math.min(MAX_DELAY_MS, jittered);
    return {
      delayMs,
      reason: `${how}; failed ${this.#failures} times without an answered batch, next start in ${(delayMs / 1000).toFixed(1)} s`,
    };
  }
}
