// The server's end of a running worker: speaks the protocol, knows which jobs the worker holds, and hands every answer to its own job. It
// starts and ends no process; worker.ts does.
import type { Duplex } from 'node:stream';
import { ServingError } from '../core/errors.ts';
import type { Job } from '../core/job.ts';
import type { BatchWorker, Clock, ModelMetric, Timer } from '../core/ports.ts';
import type { WorkerExit } from '../core/worker-state.ts';
import { Connection } from '../protocol/connection.ts';
import type { FrameHeader, Part } from '../protocol/frame.ts';
import {
  type ControlMessage,
  type ErrorMessage,
  type LoadMessage,
  parseControlReply,
  parseWorkerMessage,
  type ReadyMessage,
} from '../protocol/messages.ts';
import { predictFrame } from '../protocol/predict-frame.ts';
import { AheadRule } from './ahead-rule.ts';
import { AnswerWatch } from './answer-watch.ts';
import { HeldJobs } from './held-jobs.ts';
import { LoadCall } from './load-call.ts';
import { workerDied, workerOverslept } from './lost-answer.ts';
import { Signal } from './signal.ts';

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

export class WorkerClient implements BatchWorker {
  readonly id: string;
  readonly #options: WorkerClientOptions;
  readonly #ranks: readonly { readonly data: Connection; readonly control: Connection }[];
  readonly #held = new HeldJobs();
  readonly #closed = new Signal();
  readonly #watch: AnswerWatch;
  readonly #aheadRule: AheadRule;
  /** Who waits for the answers to the recalls that were sent, in order. */
  readonly #recalls: ((jobs: Job[]) => void)[] = [];
  #capacity = 0;
  #isBroken = false;
  /** Runs from the end of a data channel to the exit that is to follow it. */
  #exitTimer: Timer | undefined;
  #loading: LoadCall | undefined;

  /** `ranks` are the processes of the worker, usually one. */
  constructor(ranks: readonly Channels[], options: WorkerClientOptions) {
    this.id = options.id;
    this.#options = options;
    this.#aheadRule = new AheadRule(options.batchSize);
    this.#watch = new AnswerWatch({
      held: this.#held,
      timeoutMs: options.responseTimeoutMs,
      clock: options.clock,
      onOverdue: (jobId) => this.#giveUpOne(jobId),
      onSilence: () => this.#overslept(),
    });
    this.#ranks = ranks.map((channels, rank) => ({
      data: new Connection(channels.data, {
        maxPartBytes: options.maxResponseBytes,
        onFrame: (header, parts) => this.#receive(rank, header, parts),
        onClose: (error) => {
          if (error === undefined) this.#hungUp();
          else this.#broken(error.message);
          if (rank === 0) this.#closed.set();
        },
      }),
      control: new Connection(channels.control, {
        maxPartBytes: 0,
        onFrame: (header) => this.#hear(header),
        onClose: (error) => {
          if (error !== undefined) this.#broken(error.message);
        },
      }),
    }));
  }

  /** Has the model loaded. Fails with the worker's own reason; an exit or a timeout is the caller's to notice. */
  load(message: LoadMessage): Promise<ReadyMessage> {
    const worldSize = this.#ranks.length;
    this.#loading = new LoadCall(worldSize);
    for (const [rank, { data }] of this.#ranks.entries()) data.send({ ...message, rank, worldSize });
    return this.#loading.done;
  }

  /** A worker of batches takes them one at a time; an event loop, and a batch that jobs may join, take jobs as they come. */
  room(): number {
    if (!this.#isSound) return 0;
    if (this.takesAnyTime) return this.#capacity - this.#held.size;
    return this.#held.size === 0 ? this.#capacity : 0;
  }

  takesAhead(): boolean {
    return this.#isSound && !this.takesAnyTime && this.#aheadRule.channelFor(this.#held) !== undefined;
  }

  get aheadJobs(): number {
    return this.#held.aheadAlive();
  }

  get takesAnyTime(): boolean {
    return this.#watch.takesAnyTime;
  }

  holds(job: Job): boolean {
    return this.#held.has(job);
  }

  isBusy(): boolean {
    return this.#held.size > 0;
  }

  /** Whether the model is loaded and nothing is being computed. */
  isIdle(): boolean {
    return this.#capacity > 0 && this.#held.size === 0 && this.#isSound;
  }

  run(batch: readonly Job[]): void {
    const isAhead = this.#held.size > 0 && !this.takesAnyTime;
    const channel = isAhead ? (this.#aheadRule.channelFor(this.#held) ?? 'data') : 'data';
    this.#held.add(batch, isAhead);
    const { message, parts, partLengths } = predictFrame(batch);
    this.#watch.begin(batch);
    for (const rank of this.#ranks) rank[channel].sendParts(message, parts, partLengths);
  }

  recall(): Promise<readonly Job[]> {
    if (!this.#isSound || !this.#aheadRule.canRecall || this.#held.aheadSize === 0) return Promise.resolve([]);
    this.#control({ type: 'recall' });
    return new Promise((resolve) => this.#recalls.push(resolve));
  }

  cancel(job: Job): void {
    this.#control({ type: 'cancel', jobs: [job.id] });
  }

  credit(job: Job, sizeBytes: number): void {
    if (!this.#held.taken(job, sizeBytes)) return;
    this.#watch.readOn(job.id);
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
    return this.#held.whenEmpty();
  }

  /** The jobs that were sent but not started, after what the dead worker had still answered was read. The started ones fail here. */
  async settle(exit: WorkerExit): Promise<Job[]> {
    if (this.#held.size > 0) await this.#closed.within(LAST_ANSWERS_MS, this.#options.clock);
    this.#isBroken = true;
    this.#watch.stop();
    this.#exitTimer?.cancel();
    this.#held.failStarted(workerDied(this.#options.model, exit));
    const unstarted = this.#held.release();
    for (const resolve of this.#recalls.splice(0)) resolve([]);
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

  #control(message: ControlMessage): void {
    for (const rank of this.#ranks) rank.control.send(message);
  }

  #receive(rank: number, header: FrameHeader, parts: readonly Part[]): void {
    const message = parseWorkerMessage(header, parts.length);
    this.#watch.heard(message);
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
        this.#roomChanged();
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

  #hear(header: FrameHeader): void {
    const reply = parseControlReply(header);
    if (reply.type === 'returned') this.#recalls.shift()?.(this.#held.returned(reply.jobs));
  }

  #ready(rank: number, message: ReadyMessage): void {
    if (rank === 0) {
      this.#capacity = message.capacity;
      this.#aheadRule.learn(message);
      this.#watch.learn(message, this.#options.batchSize);
    }
    this.#loading?.ready(message);
  }

  #loadFailed(message: ErrorMessage): void {
    const details = message.trace === undefined ? {} : { trace: message.trace };
    this.#loading?.failed(new ServingError(message.code, message.message, { model: this.#options.model, ...details }));
  }

  #failed(ids: readonly number[], message: ErrorMessage): void {
    const status = message.status === undefined ? {} : { status: message.status };
    this.#held.failed(ids, new ServingError(message.code, message.message, { model: this.#options.model, ...status }));
    this.#afterAnswers();
  }

  #afterAnswers(): void {
    if (this.room() > 0 || this.#held.size === this.#held.aheadSize) this.#options.onAnswer();
    this.#roomChanged();
  }

  #roomChanged(): void {
    if (this.room() > 0 || this.takesAhead()) this.#options.onRoom();
  }

  #handlerTook(handlerMs: number): void {
    this.#aheadRule.took(handlerMs);
    this.#options.onHandlerTime(handlerMs);
  }

  /** What one job does not answer is no reason to end a worker that others have answers from. */
  #giveUpOne(jobId: number): void {
    this.#held.giveUp(jobId, workerOverslept(this.#options.model, this.#options.responseTimeoutMs / 1000));
    this.#control({ type: 'cancel', jobs: [jobId] });
  }

  #overslept(): void {
    const seconds = this.#options.responseTimeoutMs / 1000;
    this.#held.failStarted(workerOverslept(this.#options.model, seconds));
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
}
