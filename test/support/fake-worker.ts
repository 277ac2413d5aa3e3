// A worker without a process: it takes batches as the scheduler gives them out, and answers or dies when the test says so.
import type { Job } from '../../src/core/job.ts';
import type { BatchWorker } from '../../src/core/ports.ts';
import { textPart } from './jobs.ts';

export class FakeWorker implements BatchWorker {
  readonly id: string;
  readonly capacity: number;
  /** Every batch it was given, in order. */
  readonly batches: (readonly Job[])[] = [];
  readonly cancelled: Job[] = [];
  readonly credits: { readonly job: Job; readonly sizeBytes: number }[] = [];
  /** What it holds now. */
  holding: readonly Job[] = [];

  constructor(id: string, capacity: number) {
    this.id = id;
    this.capacity = capacity;
  }

  room(): number {
    return this.holding.length === 0 ? this.capacity : 0;
  }

  isBusy(): boolean {
    return this.holding.length > 0;
  }

  run(batch: readonly Job[]): void {
    if (this.holding.length > 0) throw new Error(`worker ${this.id} got a batch while it had one`);
    this.batches.push(batch);
    this.holding = batch;
  }

  cancel(job: Job): void {
    this.cancelled.push(job);
  }

  credit(job: Job, sizeBytes: number): void {
    this.credits.push({ job, sizeBytes });
  }

  /** The handler begins with the batch. */
  start(): void {
    for (const job of this.holding) if (job.state === 'held') job.state = 'started';
  }

  /** Answers the whole batch; the caller pumps the scheduler, as a real worker's onRoom does. */
  answer(): void {
    this.start();
    const batch = this.holding;
    this.holding = [];
    for (const job of batch) job.deliver(textPart(`answer to ${job.request.requestId}`));
  }

  /** Lets go of the batch, as after a death. */
  drop(): readonly Job[] {
    const batch = this.holding;
    this.holding = [];
    return batch;
  }
}
