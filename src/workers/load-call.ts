// A load that is under way in every rank of a worker: over when the last one is ready, or the first one has failed.
import type { ReadyMessage } from '../protocol/messages.ts';

export class LoadCall {
  readonly done: Promise<ReadyMessage>;
  #ranksLeft: number;
  #resolve: (ready: ReadyMessage) => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(rankCount: number) {
    this.#ranksLeft = rankCount;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  ready(message: ReadyMessage): void {
    this.#ranksLeft -= 1;
    if (this.#ranksLeft === 0) this.#resolve(message);
  }

  failed(error: Error): void {
    this.#reject(error);
  }
}
