// The server's end of a running worker: speaks the protocol, knows which jobs the worker holds, and hands every answer to its own job. It
// starts and ends no process; worker.ts does.
import type { Duplex } from 'node:stream';
import { ServingError } from '../core/errors.ts';
import type { Job } from '../core/job.ts';
import type { BatchWorker, Clock, ModelMetric, Timer } from '../core/ports.ts';
import { describeExit, shellExitCode, type WorkerExit } from '../core/worker-state.ts';
import { Connection } from '../protocol/connection.ts';
import type { FrameHeader, Part } from '../protocol/frame.ts';
import {
  type ControlMessage,
  type ErrorMessage,
  type LoadMessage,
  parseWorkerMessage,
  type ReadyMessage,
} from '../protocol/messages.ts';
import { predictFrame } from '../protocol/predict-frame.ts';
import { HeldJobs } from './held-jobs.ts';
import { Pace } from './pace.ts';
import { ResponseWatch } from './response-watch.ts';

/** After a process has exited, how long its last answers may take to be read from the socket. */
const LAST_ANSWERS_MS = 200;

/** How long a process may live on without its data channel before it is taken for hung. */
const EXIT_PATIENCE_MS = 5_000;

/** The two channels of one rank. */
export interface Channels {
  readonly data: Duplex;
  readonly control: Duplex;
}

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
  /** The handler took so long for a batch. */
  onHandlerTime(handlerMs: number): void;
  /** The worker broke the protocol or overslept: it has to be killed. `why` is for the log. */
  onBroken(why: string): void;
}

interface Loading {
  readonly resolve: (ready: ReadyMessage) => void;
  readonly reject: (error: ServingError) => void;
}

export class WorkerClient implements BatchWorker {
  readonly id: string;
  readonly #options: WorkerClientOptions;
  readonly #ranks: readonly { readonly data: Connection; readonly control: Connection }[];
  readonly #held = new HeldJobs();
  readonly #closed: Promise<void>;
  readonly #watch: ResponseWatch;
  readonly #pace = new Pace();
  #capacity = 0;
  #maxAhead = 0;
  #isBroken = false;
  /** Runs from the end of a data channel to the exit that is to follow it. */
  #exitTimer: Timer | undefined;
  #loading: Loading | undefined;
  #ranksToLoad = 0;
  #idleWaiters: (() => void)[] = [];

  /** `ranks` are the processes of the worker, usually one. */
  constructor(ranks: readonly Channels[], options: WorkerClientOptions) {
    this.id = options.id;
    this.#options = options;
    this.#watch = new ResponseWatch({
      timeoutMs: options.responseTimeoutMs,
      clock: options.clock,
      verdict: () => {
        if (this.#held.size === 0) return 'nothing-owed';
        // A stream that waits for its reader is not the worker's fault.
        return this.#held.isWaitingForReader() ? 'excused' : 'guilty';
      },
      onSilence: () => this.#overslept(),
    });
    let markClosed = () => {};
    this.#closed = new Promise((resolve) => {
      markClosed = resolve;
    });
    this.#ranks = ranks.map((channels, rank) => ({
      data: new Connection(channels.data, {
        maxPartBytes: options.maxResponseBytes,
        onFrame: (header, parts) => this.#receive(rank, header, parts),
        onClose: (error) => {
          if (error === undefined) this.#hungUp();
          else this.#broken(error.message);
          if (rank === 0) markClosed();
        },
      }),
      control: new Connection(channels.control, { maxPartBytes: 0, onFrame: () => {}, onClose: () => {} }),
    }));
  }

  /** Has the model loaded. Fails with the worker's own reason; an exit or a timeout is the caller's to notice. */
  load(message: LoadMessage): Promise<ReadyMessage> {
    return new Promise((resolve, reject) => {
      this.#loading = { resolve, reject };
      this.#ranksToLoad = this.#ranks.length;
      const worldSize = this.#ranks.length;
      for (const [rank, { data }] of this.#ranks.entries()) data.send({ ...message, rank, worldSize });
    });
  }

  /** A worker of batches takes them one at a time; one that may hold more than a batch (an event loop) takes jobs as they come. */
  room(): number {
    if (!this.#isSound) return 0;
    if (this.#isEventLoop) return this.#capacity - this.#held.size;
    return this.#held.size === 0 ? this.#capacity : 0;
  }

  /** A worker that answers quickly may be given batches ahead: as many as it is likely to be through with in a moment. */
  takesAhead(): boolean {
    const { batchSize } = this.#options;
    const jobs = this.#held.aheadSize + batchSize;
    if (!this.#isSound || this.#isEventLoop || jobs > Math.max(batchSize, this.#maxAhead)) return false;
    return this.#maxAhead > 0 && this.#pace.isMoment(jobs / batchSize);
  }

  get aheadJobs(): number {
    return this.#held.aheadAlive();
  }

  isBusy(): boolean {
    return this.#held.size > 0;
  }

  /** Whether the model is loaded and nothing is being computed. */
  isIdle(): boolean {
    return this.#capacity > 0 && this.#held.size === 0 && this.#isSound;
  }

  run(batch: readonly Job[]): void {
    const isAhead = this.#held.size > 0 && !this.#isEventLoop;
    this.#held.add(batch, isAhead);
    const { message, parts, partLengths } = predictFrame(batch);
    // What is given ahead is no sign of life, and must not lengthen the patience with what is computed.
    if (!isAhead) this.#watch.begin();
    for (const rank of this.#ranks) rank.data.sendParts(message, parts, partLengths);
  }

  cancel(job: Job): void {
    this.#control({ type: 'cancel', jobs: [job.id] });
  }

  credit(job: Job, sizeBytes: number): void {
    if (!this.#held.taken(job, sizeBytes)) return;
    this.#control({ type: 'credit', job: job.id, bytes: sizeBytes });
  }

  /** Asks the worker to finish what it has and to exit. */
  stop(): void {
    this.#control({ type: 'stop' });
  }

  /** Gives up on what the handler computes: those jobs fail with this error. */
  giveUp(error: ServingError): void {
    this.#held.failStarted(error);
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
    this.#watch.stop();
    this.#exitTimer?.cancel();
    this.#held.failStarted(this.#died(exit));
    const unstarted = this.#held.release();
    this.#settleIdle();
    for (const rank of this.#ranks) {
      rank.data.destroy();
      rank.control.destroy();
    }
    return unstarted;
  }

  /** Whether it can still be talked to. */
  get #isSound(): boolean {
    return !this.#isBroken && this.#exitTimer === undefined;
  }

  /** Whether it takes jobs one by one as they come, instead of batches. */
  get #isEventLoop(): boolean {
    return this.#capacity > this.#options.batchSize;
  }

  #control(message: ControlMessage): void {
    for (const rank of this.#ranks) rank.control.send(message);
  }

  #receive(rank: number, header: FrameHeader, parts: readonly Part[]): void {
    const message = parseWorkerMessage(header, parts.length);
    this.#watch.heard();
    switch (message.type) {
      case 'output':
        message.outputs.forEach((item, index) => {
          this.#held.output(item, parts[index] ?? []);
        });
        if (message.handlerMs !== undefined) this.#handlerTook(message.handlerMs);
        this.#afterAnswers();
        break;
      case 'started':
        this.#held.started(message.jobs);
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
    if (rank === 0) {
      this.#capacity = message.capacity;
      this.#maxAhead = message.ahead;
    }
    this.#ranksToLoad -= 1;
    if (this.#ranksToLoad === 0) this.#loading?.resolve(message);
  }

  #loadFailed(message: ErrorMessage): void {
    const details = message.trace === undefined ? {} : { trace: message.trace };
    this.#loading?.reject(new ServingError(message.code, message.message, { model: this.#options.model, ...details }));
  }

  #failed(ids: readonly number[], message: ErrorMessage): void {
    const status = message.status === undefined ? {} : { status: message.status };
    this.#held.failed(ids, new ServingError(message.code, message.message, { model: this.#options.model, ...status }));
    this.#afterAnswers();
  }

  #afterAnswers(): void {
    if (this.#held.size === 0) this.#settleIdle();
    if (this.room() === 0 && !this.takesAhead()) return;
    this.#options.onAnswer();
    this.#options.onRoom();
  }

  #handlerTook(handlerMs: number): void {
    this.#pace.took(handlerMs);
    this.#options.onHandlerTime(handlerMs);
  }

  #settleIdle(): void {
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #overslept(): void {
    const { model, responseTimeoutMs } = this.#options;
    const seconds = responseTimeoutMs / 1000;
    const message = `Prediction timed out after ${seconds} s`;
    this.#held.failStarted(new ServingError('RESPONSE_TIMEOUT', message, { model }));
    this.#broken(`no answer within the response timeout of ${seconds} s`);
  }

  /** A process that ends closes its channels first. One that only closes them can neither get nor give anything any more. */
  #hungUp(): void {
    if (this.#isBroken) return;
    const overdue = () => this.#broken('it closed its data channel and did not exit');
    this.#exitTimer ??= this.#options.clock.after(EXIT_PATIENCE_MS, overdue);
  }

  #broken(why: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#options.onBroken(why);
  }

  #died(exit: WorkerExit): ServingError {
    const message = `The worker of model ${this.#options.model} died while it computed the request (${describeExit(exit)}); the server replaces it.`;
    const details = { model: this.#options.model, exitCode: shellExitCode(exit), retryAfterSec: 1 };
    return new ServingError('WORKER_DIED', message, details);
  }
}
