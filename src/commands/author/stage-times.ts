// How long requests spent where, gathered from what the scheduler reports. It reads no clock: every figure is one that the server measured.
import type { Job } from '../../core/job.ts';
import type { ServingObserver } from '../../core/ports.ts';

export interface RequestTimes {
  /** From the arrival to the worker. */
  readonly queueMs: number;
  /** What the handler took for the batch where its runtime says so, else from the worker's taking it to the end of the answer. */
  readonly handlerMs: number;
  /** From the arrival to the end of the answer. */
  readonly totalMs: number;
}

export class StageTimes {
  readonly #waitedMs = new Map<string, number>();
  readonly #tookMs = new Map<string, number>();
  #handlerMs: number | undefined;

  readonly observer: ServingObserver = {
    queued: () => {
      this.#handlerMs = undefined;
    },
    dispatched: ({ request }: Job, waitedMs) => this.#waitedMs.set(request.requestId, waitedMs),
    finished: ({ request }: Job, _failure, tookMs) => this.#tookMs.set(request.requestId, tookMs),
  };

  /** The handler's own time for the latest batch. */
  handlerTook(handlerMs: number): void {
    this.#handlerMs = handlerMs;
  }

  /** The times of a request that is over; undefined when no worker ever had it. */
  of(requestId: string): RequestTimes | undefined {
    const [queueMs, totalMs] = [this.#waitedMs.get(requestId), this.#tookMs.get(requestId)];
    if (queueMs === undefined || totalMs === undefined) return undefined;
    return { queueMs, handlerMs: this.#handlerMs ?? totalMs - queueMs, totalMs };
  }
}
