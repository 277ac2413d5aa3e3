// The server's end of a running worker: speaks the protocol, knows which jobs the worker holds, and hands every answer to its own job. It
// starts and ends no process; worker.ts does.
import type { ServingError } from '../core/errors.ts';
import type { Job } from '../core/job.ts';
import type { BatchWorker, Clock, ModelMetric, Timer } from '../core/ports.ts';
import type { WorkerExit } from '../core/worker-state.ts';
import type { FrameHeader, Part } from '../protocol/frame.ts';
import {
  type ErrorMessage,
  type LoadMessage,
  type PredictMessage,
  parseControlReply,
  parseWorkerMessage,
  type ReadyMessage,
} from '../protocol/messages.ts';
import { predictFrame } from '../protocol/predict-frame.ts';
import { AheadRule } from './ahead-rule.ts';
import { AnswerWatch } from './answer-watch.ts';
import { HeldJobs } from './held-jobs.ts';
import { reportedError, workerDied, workerOverslept } from './lost-answer.ts';
import type { Channels } from './rank.ts';
import { Ranks } from './ranks.ts';
import { Signal } from './signal.ts';

/** After a process has exited, how long its last answers may take to be read from the socket. */
const LAST_ANSWERS_MS = 200;

/** How long a process may live on without its data channel before it is taken for hung. */
const EXIT_PATIENCE_MS = 5_000;

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
  /** The handler took so long for a batch of so many jobs. */
  onHandlerTime(handlerMs: number, jobs: number): void;
  /** The worker broke the protocol or overslept: it has to be killed. `why` is for the log. */
  onBroken(why: string): void;
}

export class WorkerClient implements BatchWorker {
  readonly id: string;
  readonly #options: WorkerClientOptions;
  readonly #ranks: Ranks;
  readonly #held = new HeldJobs();
  readonly #closed = new Signal();
  readonly #watch: AnswerWatch;
  readonly #aheadRule: AheadRule;
  /** Who waits for the answers to the recalls that were sent, in order. */
  readonly #recalls: ((jobs: Job[]) => void)[] = [];
  #capacity = 0;
  /** How many jobs the batch has that the handler began with last. */
  #begunJobs = 0;
  #isServing = false;
  #isBroken = false;
  /** Runs from the end of a data channel to the exit that is to follow it. */
  #exitTimer: Timer | undefined;

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
    this.#ranks = new Ranks(ranks, (rank) => ({
      maxPartBytes: options.maxResponseBytes,
      clock: options.clock,
      isIdle: () => this.#held.size === 0,
      onMessage: (header, parts) => this.#receive(rank, header, parts),
      onReply: (header) => this.#hear(header),
      onClose: (error) => {
        if (error === undefined) this.#hungUp();
        else this.#broken(error.message);
        if (rank === 0) this.#closed.set();
      },
      onBroken: (why) => this.#broken(why),
    }));
  }

  /** Has the model loaded. Fails with the worker's own reason; an exit or a timeout is the caller's to notice. */
  load(message: LoadMessage): Promise<ReadyMessage> {
    return this.#ranks.load(message);
  }

  /** From now on its answers are measured, and it has to answer in time; what it was given before was there to warm it up. */
  beginServing(): void {
    this.#isServing = true;
    // A worker that may take as long as it likes is under a debugger, which stops all of its threads.
    if (this.#options.responseTimeoutMs !== Infinity) this.#ranks.beginHeartbeat();
  }

  /** A worker of batches takes them one at a time; an event loop, and a batch that jobs may join, take jobs as they come. */
  room(): number {
    if (!this.#isSound) return 0;
    if (this.takesAnyTime) return this.#capacity - this.#held.size;
    return this.#held.size === 0 ? this.#capacity : 0;
  }

  takesAhead(isAlone: boolean): boolean {
    return this.#isSound && !this.takesAnyTime && this.#aheadRule.channelFor(this.#held, isAlone) !== undefined;
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

  /** How many jobs it was done with so far, well or in vain. */
  get finishedJobs(): number {
    return this.#held.finished;
  }

  run(batch: readonly Job[]): void {
    const isAhead = this.#held.size > 0 && !this.takesAnyTime;
    const channel = isAhead ? (this.#aheadRule.channelFor(this.#held, true) ?? 'data') : 'data';
    this.#held.add(batch, isAhead);
    const { message, parts, partLengths } = predictFrame(batch);
    if (this.#isServing) this.#watch.begin(batch);
    const predict: PredictMessage = this.#isServing ? message : { ...message, warmUp: true };
    this.#ranks.predict(channel, predict, parts, partLengths);
  }

  recall(): Promise<readonly Job[]> {
    if (!this.#isSound || !this.#aheadRule.canRecall || this.#held.aheadSize === 0) return Promise.resolve([]);
    this.#ranks.control({ type: 'recall' });
    return new Promise((resolve) => this.#recalls.push(resolve));
  }

  cancel(job: Job): void {
    this.#ranks.control({ type: 'cancel', jobs: [job.id] });
  }

  credit(job: Job, sizeBytes: number): void {
    if (!this.#held.taken(job, sizeBytes)) return;
    this.#watch.readOn(job.id);
    this.#ranks.control({ type: 'credit', job: job.id, bytes: sizeBytes });
  }

  /** Asks the worker to finish what it has and to exit. */
  stop(): void {
    this.#ranks.control({ type: 'stop' });
  }

  /** Gives up on what the handler computes: those jobs fail with this error. */
  giveUp(error: ServingError): void {
    this.#held.failStarted(error);
  }

  /** Resolves when the worker holds nothing. */
  idle(): Promise<void> {
    return this.#held.whenEmpty();
  }

  /** The jobs that the dead worker had, begun with or not, after what it had still answered was read. Those that warmed it up fail here. */
  async settle(exit: WorkerExit): Promise<Job[]> {
    if (this.#held.size > 0) await this.#closed.within(LAST_ANSWERS_MS, this.#options.clock);
    this.#isBroken = true;
    this.#watch.stop();
    this.#exitTimer?.cancel();
    const jobs = this.#held.release();
    for (const resolve of this.#recalls.splice(0)) resolve([]);
    this.#ranks.destroy();
    if (this.#isServing) return jobs;
    for (const job of jobs) job.fail(workerDied(this.#options.model, exit));
    return [];
  }

  /** Whether it can still be talked to. */
  get #isSound(): boolean {
    return !this.#isBroken && this.#exitTimer === undefined;
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
        this.#begunJobs = message.jobs.length;
        this.#roomChanged();
        break;
      case 'error':
        if (message.jobs === undefined) this.#ranks.loadFailed(reportedError(this.#options.model, message));
        else this.#failed(message.jobs, message);
        break;
      case 'metric':
        // What a handler counts must not count requests that nobody has sent.
        if (this.#isServing || this.#held.size === 0) this.#options.onMetric(message);
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
    this.#ranks.ready(message);
  }

  #failed(ids: readonly number[], message: ErrorMessage): void {
    this.#held.failed(ids, reportedError(this.#options.model, message));
    this.#afterAnswers();
  }

  #afterAnswers(): void {
    if (!this.#isServing) return;
    if (this.room() > 0 || this.#held.size === this.#held.aheadSize) this.#options.onAnswer();
    this.#roomChanged();
  }

  #roomChanged(): void {
    if (this.room() > 0 || this.takesAhead(true)) this.#options.onRoom();
  }

  #handlerTook(handlerMs: number): void {
    if (!this.#isServing) return;
    this.#aheadRule.took(handlerMs);
    this.#options.onHandlerTime(handlerMs, this.#begunJobs);
  }

  /** What one job does not answer is no reason to end a worker that others have answers from. */
  #giveUpOne(jobId: number): void {
    this.#held.giveUp(jobId, workerOverslept(this.#options.model, this.#options.responseTimeoutMs / 1000));
    this.#ranks.control({ type: 'cancel', jobs: [jobId] });
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
