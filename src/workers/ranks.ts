// All processes of a worker, usually one, as something that is told a thing once: every rank loads, and every rank computes each batch.
import type { Part } from '../protocol/frame.ts';
import type { ControlMessage, LoadMessage, PredictMessage, ReadyMessage } from '../protocol/messages.ts';
import { LoadCall } from './load-call.ts';
import { type Channels, Rank, type RankOptions } from './rank.ts';

export class Ranks {
  readonly #ranks: readonly Rank[];
  #loading: LoadCall | undefined;

  /** `optionsOf` a rank by its number; rank 0 answers for all. */
  constructor(channels: readonly Channels[], optionsOf: (rank: number) => RankOptions) {
    this.#ranks = channels.map((pair, rank) => new Rank(pair, optionsOf(rank)));
  }

  /** Resolves when every rank is ready, rejects when one has failed. */
  load(message: LoadMessage): Promise<ReadyMessage> {
    const worldSize = this.#ranks.length;
    this.#loading = new LoadCall(worldSize);
    for (const [rank, { data }] of this.#ranks.entries()) data.send({ ...message, rank, worldSize });
    return this.#loading.done;
  }

  ready(message: ReadyMessage): void {
    this.#loading?.ready(message);
  }

  loadFailed(error: Error): void {
    this.#loading?.failed(error);
  }

  predict(
    channel: 'data' | 'control',
    message: PredictMessage,
    parts: readonly Part[],
    partLengths: readonly number[],
  ): void {
    for (const rank of this.#ranks) rank[channel].sendParts(message, parts, partLengths);
  }

  control(message: ControlMessage): void {
    for (const { control } of this.#ranks) control.send(message);
  }

  beginHeartbeat(): void {
    for (const rank of this.#ranks) rank.beginHeartbeat();
  }

  /** Drops every channel at once. */
  destroy(): void {
    for (const rank of this.#ranks) rank.destroy();
  }
}
