// A request that has arrived and has not been answered to its end: its credit, what is kept for it, and whether somebody still waits.
import type { ResultPart } from './runtime-model.ts';

export class OpenJob {
  readonly id: number;
  /** Bytes that may be sent before its reader has taken any. */
  credit: number;
  readonly kept: ResultPart[] = [];
  keptBytes = 0;
  hasEnded = false;
  readonly #abort = new AbortController();
  #waiting: (() => void)[] = [];

  constructor(id: number, credit: number) {
    this.id = id;
    this.credit = credit;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Nobody waits for it any more; what was kept goes. */
  cancel(): void {
    this.dropKept();
    this.#abort.abort(new DOMException('The client has gone.', 'AbortError'));
    this.wake();
  }

  dropKept(): void {
    this.kept.length = 0;
    this.keptBytes = 0;
  }

  /** Resolves at the next change of what is kept, or of the job's fate. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
