// A worker without a process: it takes batches as the scheduler gives them out, and answers or dies when the test says so.
import type { Job } from '../../src/core/job.ts';
import type { BatchWorker } from '../../src/core/ports.ts';
import { textPart } from './jobs.ts';

export class FakeWorker implements BatchWorker {
  readonly id: string;
  readonly capacity: number;
  /** How many batches it takes while it holds one. */
  maxAhead: number;
  /** Whether it takes them beside other workers, too. */
  isQuick = false;
  /** Every batch it was given, in order. */
  readonly batches: (readonly Job[])[] = [];
  readonly cancelled: Job[] = [];
  readonly credits: { readonly job: Job; readonly sizeBytes: number }[] = [];
  /** What it holds now. */
  holding: readonly Job[] = [];
  /** Batches that it was given ahead, in order. */
  readonly ahead: (readonly Job[])[] = [];
  #recalls: ((jobs: readonly Job[]) => void)[] = [];

  constructor(id: string, capacity: number, maxAhead = 0) {
    this.id = id;
    this.capacity = capacity;
    this.maxAhead = maxAhead;
  }

  room(): number {
    return this.holding.length === 0 ? this.capacity : 0;
  }

  get takesAnyTime(): boolean {
    return false;
  }

  holds(job: Job): boolean {
    return this.holding.includes(job) || this.ahead.some((batch) => batch.includes(job));
  }

  isBusy(): boolean {
    return this.holding.length > 0;
  }

  takesAhead(isAlone: boolean): boolean {
    return this.holding.length > 0 && this.ahead.length < this.maxAhead && (isAlone || this.isQuick);
  }

  get aheadJobs(): number {
    return this.ahead.flat().filter((job) => job.state !== 'ended').length;
  }

  run(batch: readonly Job[]): void {
    if (this.holding.length > 0 && !this.takesAhead(true))
      throw new Error(`worker ${this.id} got a batch while it had one`);
    this.batches.push(batch);
    if (this.holding.length === 0) this.holding = batch;
    else this.ahead.push(batch);
  }

  /** Comes to nothing until the test has it give back. */
  recall(): Promise<readonly Job[]> {
    return new Promise((resolve) => this.#recalls.push(resolve));
  }

  /** Answers what it was asked by `recall`; resolves when the scheduler has the jobs. */
  async giveBack(): Promise<void> {
    const jobs = this.#recalls.length === 0 ? [] : this.ahead.splice(0).flat();
    for (const resolve of this.#recalls.splice(0)) resolve(jobs.splice(0));
    await Promise.resolve();
  }

  cancel(job: Job): void {
    this.cancelled.push(job);
  }

  credit(job: Job, sizeBytes: number): void {
    this.credits.push({ job, sizeBytes });
  }

  /** The handler begins with the batch. */
  start(): void {
    for (const job of this.holding) job.begin();
  }

  /** Answers the whole batch and takes up the next that it has; the caller pumps the scheduler, as a real worker's onRoom does. */
  answer(): void {
    this.start();
    const batch = this.holding;
    this.holding = this.ahead.shift() ?? [];
    for (const job of batch) job.deliver(textPart(`answer to ${job.request.requestId}`));
  }

  /** Lets go of the batch, as after a death. */
  drop(): readonly Job[] {
    const jobs = [...this.holding, ...this.ahead.flat()];
    this.holding = [];
    this.ahead.length = 0;
    return jobs;
  }
}
