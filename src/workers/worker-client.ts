// The server's end of a running worker: speaks the protocol, knows which jobs the worker holds, and hands every answer to its own job. It
// starts and ends no process; worker.ts does.
import { ServingError } from '../core/errors.ts';
import type { Job, OutputPart } from '../core/job.ts';
import type { BatchWorker, Clock, ModelMetric, Timer } from '../core/ports.ts';
import { describeExit, shellExitCode, type WorkerExit } from '../core/worker-state.ts';
import { Connection } from '../protocol/connection.ts';
import type { FrameHeader, Part } from '../protocol/frame.ts';
import {
  type ControlMessage,
  type ErrorMessage,
  type JobMessage,
  type LoadMessage,
  type OutputItem,
  parseWorkerMessage,
  type ReadyMessage,
} from '../protocol/messages.ts';
import type { WorkerProcess } from './worker-process.ts';

/** What a job's stream may send ahead of its reader. */
export const CREDIT_BYTES = 256 * 1024;

/** After a process has exited, how long its last answers may take to be read from the socket. */
const LAST_ANSWERS_MS = 200;

export interface WorkerClientOptions {
  readonly id: string;
  readonly model: string;
  readonly batchSize: number;
  readonly responseTimeoutMs: number;
  readonly maxResponseBytes: number;
  readonly clock: Clock;
  /** The worker has room again. */
  onRoom(): void;
  /** The worker gave an answer: proof that it works. */
  onAnswer(): void;
  onMetric(metric: ModelMetric): void;
  /** The worker broke the protocol or overslept: it has to be killed. `why` is for the log. */
  onBroken(why: string): void;
}

interface HeldJob {
  readonly job: Job;
  /** Bytes of its stream that the reader has not taken yet. */
  untakenBytes: number;
}

interface Loading {
  readonly resolve: (ready: ReadyMessage) => void;
  readonly reject: (error: ServingError) => void;
}

export class WorkerClient implements BatchWorker {
  readonly id: string;
  readonly #options: WorkerClientOptions;
  readonly #ranks: readonly { readonly data: Connection; readonly control: Connection }[];
  readonly #held = new Map<number, HeldJob>();
  readonly #closed: Promise<void>;
  #capacity = 0;
  #isBroken = false;
  #loading: Loading | undefined;
  #ranksToLoad = 0;
  #lastActivityAt = 0;
  #watchdog: Timer | undefined;
  #idleWaiters: (() => void)[] = [];

  /** `processes` are the ranks of the worker, usually one. */
  constructor(processes: readonly WorkerProcess[], options: WorkerClientOptions) {
    this.id = options.id;
    this.#options = options;
    let markClosed = () => {};
    this.#closed = new Promise((resolve) => {
      markClosed = resolve;
    });
    this.#ranks = processes.map((process, rank) => ({
      data: new Connection(process.data, {
        maxPartBytes: options.maxResponseBytes,
        onFrame: (header, parts) => this.#receive(rank, header, parts),
        onClose: (error) => {
          if (error !== undefined) this.#broken(error.message);
          if (rank === 0) markClosed();
        },
      }),
      control: new Connection(process.control, { maxPartBytes: 0, onFrame: () => {}, onClose: () => {} }),
    }));
  }

  /** Has the model loaded. Fails with the worker's own reason; an exit or a timeout is the caller's to notice. */
  load(message: LoadMessage): Promise<ReadyMessage> {
    return new Promise((resolve, reject) => {
      this.#loading = { resolve, reject };
      this.#ranksToLoad = this.#ranks.length;
      this.#ranks.forEach((rank, index) => {
        rank.data.send({ ...message, rank: index, worldSize: this.#ranks.length });
      });
    });
  }

  /** A worker of batches takes them one at a time; one that may hold more than a batch (an event loop) takes jobs as they come. */
  room(): number {
    if (this.#isBroken) return 0;
    if (this.#capacity > this.#options.batchSize) return this.#capacity - this.#held.size;
    return this.#held.size === 0 ? this.#capacity : 0;
  }

  isBusy(): boolean {
    return this.#held.size > 0;
  }

  /** Whether the model is loaded and nothing is being computed. */
  isIdle(): boolean {
    return this.#capacity > 0 && this.#held.size === 0 && !this.#isBroken;
  }

  run(batch: readonly Job[]): void {
    const jobs: JobMessage[] = [];
    const parts: Part[] = [];
    const lengths: number[] = [];
    for (const job of batch) {
      const { requestId, kind, headers, inputs } = job.request;
      this.#held.set(job.id, { job, untakenBytes: 0 });
      jobs.push({
        id: job.id,
        requestId,
        kind,
        headers,
        inputs: inputs.map(({ name, contentType }) => ({ name, contentType })),
      });
      for (const input of inputs) {
        parts.push(input.chunks);
        lengths.push(input.sizeBytes);
      }
    }
    this.#lastActivityAt = this.#options.clock.now();
    this.#watch(this.#options.responseTimeoutMs);
    for (const rank of this.#ranks) rank.data.sendParts({ type: 'predict', jobs }, parts, lengths);
  }

  cancel(job: Job): void {
    this.#control({ type: 'cancel', jobs: [job.id] });
  }

  credit(job: Job, sizeBytes: number): void {
    const held = this.#held.get(job.id);
    if (held === undefined) return;
    held.untakenBytes -= sizeBytes;
    this.#control({ type: 'credit', job: job.id, bytes: sizeBytes });
  }

  /** Asks the worker to finish what it has and to exit. */
  stop(): void {
    this.#control({ type: 'stop' });
  }

  /** Gives up on what the handler computes: those jobs fail with this error. */
  giveUp(error: ServingError): void {
    for (const { job } of this.#held.values()) if (job.state === 'started') job.fail(error);
  }

  /** Resolves when the worker holds nothing. */
  idle(): Promise<void> {
    if (this.#held.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** The jobs that were sent but not started, after what the dead worker had still answered was read. The started ones fail here. */
  async settle(exit: WorkerExit): Promise<Job[]> {
    const patience = new Promise<void>((resolve) => {
      this.#options.clock.after(LAST_ANSWERS_MS, resolve);
    });
    if (this.#held.size > 0) await Promise.race([this.#closed, patience]);
    this.#isBroken = true;
    this.#watchdog?.cancel();
    const unstarted: Job[] = [];
    for (const { job } of this.#held.values()) {
      if (job.state === 'held') unstarted.push(job);
      else job.fail(this.#died(exit));
    }
    this.#held.clear();
    this.#settleIdle();
    for (const rank of this.#ranks) {
      rank.data.destroy();
      rank.control.destroy();
    }
    return unstarted;
  }

  #control(message: ControlMessage): void {
    for (const rank of this.#ranks) rank.control.send(message);
  }

  #receive(rank: number, header: FrameHeader, parts: readonly Part[]): void {
    const message = parseWorkerMessage(header, parts.length);
    this.#lastActivityAt = this.#options.clock.now();
    switch (message.type) {
      case 'output':
        message.outputs.forEach((item, index) => {
          this.#output(item, parts[index] ?? []);
        });
        this.#afterAnswers();
        break;
      case 'started':
        for (const id of message.jobs) this.#started(id);
        break;
      case 'error':
        if (message.jobs === undefined) this.#loadFailed(message);
        else this.#failed(message.jobs, message);
        break;
      case 'metric':
        this.#options.onMetric(message);
        break;
      case 'ready':
        this.#ready(rank, message);
        break;
    }
  }

  #ready(rank: number, message: ReadyMessage): void {
    if (rank === 0) this.#capacity = message.capacity;
    this.#ranksToLoad -= 1;
    if (this.#ranksToLoad === 0) this.#loading?.resolve(message);
  }

  #loadFailed(message: ErrorMessage): void {
    const details = message.trace === undefined ? {} : { trace: message.trace };
    this.#loading?.reject(new ServingError(message.code, message.message, { model: this.#options.model, ...details }));
  }

  #started(id: number): void {
    const job = this.#held.get(id)?.job;
    if (job?.state === 'held') job.state = 'started';
  }

  #output(item: OutputItem, chunks: Part): void {
    const held = this.#held.get(item.job);
    // An output for a job that this worker does not hold can only be a defect of the worker; it must never reach another client.
    if (held === undefined) return;
    const part: OutputPart = {
      chunks,
      sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
      isLast: item.last,
      encoding: item.as,
      status: item.status,
      reason: item.reason,
      headers: item.headers,
    };
    if (item.last) this.#held.delete(item.job);
    else held.untakenBytes += part.sizeBytes;
    held.job.deliver(part);
  }

  #failed(ids: readonly number[], message: ErrorMessage): void {
    const status = message.status === undefined ? {} : { status: message.status };
    for (const id of ids) {
      const held = this.#held.get(id);
      this.#held.delete(id);
      held?.job.fail(new ServingError(message.code, message.message, { model: this.#options.model, ...status }));
    }
    this.#afterAnswers();
  }

  #afterAnswers(): void {
    if (this.#held.size === 0) this.#settleIdle();
    if (this.room() === 0) return;
    this.#options.onAnswer();
    this.#options.onRoom();
  }

  #settleIdle(): void {
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** One timer for all batches: it looks when the last sign of life was instead of being set anew for each. */
  #watch(delayMs: number): void {
    if (this.#watchdog !== undefined || delayMs === Infinity) return;
    this.#watchdog = this.#options.clock.after(delayMs, () => {
      this.#watchdog = undefined;
      if (this.#held.size === 0) return;
      // A stream that waits for its reader is not the worker's fault.
      if (this.#isWaitingForReader()) this.#lastActivityAt = this.#options.clock.now();
      const leftMs = this.#lastActivityAt + this.#options.responseTimeoutMs - this.#options.clock.now();
      if (leftMs > 0) this.#watch(leftMs);
      else this.#overslept();
    });
  }

  #isWaitingForReader(): boolean {
    for (const held of this.#held.values()) if (held.untakenBytes >= CREDIT_BYTES) return true;
    return false;
  }

  #overslept(): void {
    const { model, responseTimeoutMs } = this.#options;
    const seconds = responseTimeoutMs / 1000;
    for (const { job } of this.#held.values()) {
      if (job.state === 'started')
        job.fail(new ServingError('RESPONSE_TIMEOUT', `Prediction timed out after ${seconds} s`, { model }));
    }
    this.#broken(`no answer within the response timeout of ${seconds} s`);
  }

  #broken(why: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#options.onBroken(why);
  }

  #died(exit: WorkerExit): ServingError {
    const message = `The worker of model ${this.#options.model} died while it computed the request (${describeExit(exit)}); a new one is starting.`;
    const details = { model: this.#options.model, exitCode: shellExitCode(exit), retryAfterSec: 1 };
    return new ServingError('WORKER_DIED', message, details);
  }
}
