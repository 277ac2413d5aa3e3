// How much a worker may be given while it still computes, and on which channel. What waits in a worker cannot join a fuller batch, so only full
// ones go ahead; and it cannot go to another worker, unless this one gives it back.
import type { ReadyMessage } from '../protocol/messages.ts';
import type { HeldJobs } from './held-jobs.ts';
import { Pace } from './pace.ts';

/** What may wait in a worker for so long has lost nothing by it. */
const MOMENT_MS = 5;
/** Another worker could be free sooner: what is given ahead must be over before the server could have given it elsewhere. */
const SHARED_MOMENT_MS = 1;

export class AheadRule {
  readonly #batchSize: number;
  readonly #pace = new Pace();
  #maxJobs = 0;
  #givesBack = false;

  constructor(batchSize: number) {
    this.#batchSize = batchSize;
  }

  /** What the worker said of itself when it was ready. */
  learn({ ahead, givesBack }: Pick<ReadyMessage, 'ahead' | 'givesBack'>): void {
    this.#maxJobs = ahead;
    this.#givesBack = givesBack;
  }

  /** The handler took so long for its latest batch. */
  took(handlerMs: number): void {
    this.#pace.took(handlerMs);
  }

  /**
   * On which channel one more full batch may go behind what the worker has, be it the only one of its version or not; undefined when none
   * may. What is likely to be over in a moment goes where the worker itself reads next. Behind a batch that takes longer, one may wait where it
   * is heard, and given back, while the only worker computes; only when it does, because on that channel it could overtake.
   */
  channelFor(
    { aheadSize, hasBegun }: Pick<HeldJobs, 'aheadSize' | 'hasBegun'>,
    isAlone: boolean,
  ): 'data' | 'control' | undefined {
    const jobs = aheadSize + this.#batchSize;
    if (this.#maxJobs === 0 || jobs > Math.max(this.#batchSize, this.#maxJobs)) return undefined;
    if (this.#pace.isWithin(isAlone ? MOMENT_MS : SHARED_MOMENT_MS, jobs / this.#batchSize)) return 'data';
    return isAlone && this.#givesBack && hasBegun && aheadSize === 0 ? 'control' : undefined;
  }

  /** Whether the worker can be asked for what waits in it. */
  get canRecall(): boolean {
    return this.#givesBack;
  }
}
