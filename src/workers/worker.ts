// The life of one worker: start, load, serve, and after a death start again, for as long as it is wanted. A worker that is stopped may
// finish what it has; one that broke the protocol or overslept is killed. Stopping ends the loop, a kill only the process.
import { ServingError, toServingError } from '../core/errors.ts';
import type { Job } from '../core/job.ts';
import type { LoadPhase, LoadProgress } from '../core/load-progress.ts';
import type { ModelSignature } from '../core/model-signature.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { BatchWorker, Clock } from '../core/ports.ts';
import { RestartPolicy } from '../core/restart-policy.ts';
import type { Scheduler } from '../core/scheduler.ts';
import { describeStartFailure, type StartFailure, withStartHint } from '../core/start-failure.ts';
import { describeExit, type WorkerExit, type WorkerState } from '../core/worker-state.ts';
import { workerDied } from './lost-answer.ts';
import { Signal } from './signal.ts';
import type { StartedWorker, WorkerLauncher } from './worker-launcher.ts';
import { LAST_WORDS_MS, WorkerStart } from './worker-start.ts';

/** After a polite request to end, how long a process has before it is signalled, and then before it is killed. */
const STOP_PATIENCE_MS = 5_000;
const TERM_PATIENCE_MS = 2_000;

export interface WorkerOptions {
  readonly id: string;
  readonly gpuId: number | undefined;
  readonly scheduler: Scheduler;
  readonly launcher: WorkerLauncher;
  readonly clock: Clock;
  readonly spec: Pick<ModelSpec, 'name' | 'runtime' | 'modelDir' | 'startupTimeoutSec'>;
  /** Gets the phases of its starts until the first that succeeds; undefined where another worker stands for the version. */
  readonly progress: LoadProgress | undefined;
  /** State, last failure or readiness have changed. */
  onChange(): void;
  onStartFailed(failure: StartFailure): void;
  /** For the log: what happened to this worker, in words. */
  onEvent(level: 'info' | 'warn' | 'error', message: string, details?: object): void;
}

export class Worker {
  readonly id: string;
  readonly gpuId: number | undefined;
  readonly createdAt = new Date();
  state: WorkerState = 'starting';
  reason = '';
  pid: number | undefined;
  lastExit: WorkerExit | undefined;
  /** Inputs and outputs of the model that it loaded last, where its runtime knows them. */
  signature: ModelSignature | undefined;
  /** Why the latest start failed; undefined after a good one, and while the first is under way. */
  startFailure: ServingError | undefined;

  readonly #options: WorkerOptions;
  readonly #policy = new RestartPolicy();
  readonly #stopping = new Signal();
  #drainMs = Infinity;
  #client: BatchWorker | undefined;
  #hasBeenReady = false;
  /** Monotonic moment of the next start, while in backoff. */
  #retryAt: number | undefined;

  constructor(options: WorkerOptions) {
    this.id = options.id;
    this.gpuId = options.gpuId;
    this.#options = options;
  }

  /** The state for people: a ready worker that computes is busy. */
  get visibleState(): WorkerState {
    return this.state === 'ready' && this.#client?.isBusy() === true ? 'busy' : this.state;
  }

  /** When the next start is, by the clock on the wall; undefined when it is not waiting for one. */
  get nextRetryAt(): Date | undefined {
    // Told anew each time: the clock on the wall may be set while this waits by another one.
    return this.#retryAt === undefined ? undefined : new Date(Date.now() + this.#retryAt - this.#options.clock.now());
  }

  /** Whether it takes work now. */
  get isReady(): boolean {
    return this.state === 'ready';
  }

  /** Whether its very first start is under way. */
  get isInFirstStart(): boolean {
    return this.isHopeful && !this.#hasBeenReady;
  }

  /** Whether it is on its way to be ready with nothing known to be wrong. */
  get isHopeful(): boolean {
    return this.startFailure === undefined && (this.state === 'starting' || this.state === 'loading');
  }

  /** Monotonic moment since which it has failed without an answer in between. */
  get failingSince(): number | undefined {
    return this.#policy.failingSince;
  }

  /** Lives until stopped; resolves when the last process is gone. */
  async run(): Promise<void> {
    while (!this.#stopping.isSet) {
      const exit = await this.#liveOnce();
      if (this.#stopping.isSet) break;
      const decision = this.#policy.next(describeExit(exit), this.#options.clock.now());
      this.#options.onEvent('error', `worker ended: ${decision.reason}`, { exit });
      if (decision.delayMs === 0) continue;
      this.#retryAt = this.#options.clock.now() + decision.delayMs;
      this.#enter('backoff', decision.reason);
      await this.#stopping.within(decision.delayMs, this.#options.clock);
      this.#retryAt = undefined;
    }
    this.#enter('stopped', '');
  }

  /** Takes no more work, lets its batch finish for at most `drainMs`, then ends. */
  stop(drainMs: number): void {
    this.#drainMs = drainMs;
    this.#stopping.set();
  }

  /** One process from its start to its exit. */
  async #liveOnce(): Promise<WorkerExit> {
    this.#enter('starting', '');
    let started: StartedWorker;
    try {
      started = await this.#during('spawn', async () => this.#launch());
    } catch (error) {
      this.#failStart(toServingError(error));
      return { exitCode: 127, signal: null, stderrTail: [], killedFor: undefined, memory: undefined };
    }
    this.pid = started.pid;
    this.#client = started.client;
    this.#enter('loading', '');
    const failure = await this.#becomeReady(started).then(() => undefined, toServingError);
    if (failure === undefined && !this.#stopping.isSet) await this.#serve(started);
    else if (failure !== undefined && !this.#stopping.isSet) this.#failStart(failure);
    const ended = await this.#end(started, failure);
    // What its last words do not say, it had said before.
    const exit: WorkerExit = failure?.code === 'WORKER_OUT_OF_MEMORY' ? { ...ended, memory: 'out' } : ended;
    this.pid = undefined;
    this.lastExit = exit;
    return exit;
  }

  /** Does a step of a start, and takes down how long it took while the version still waits for its first ready worker. */
  #during<T>(phase: LoadPhase, work: () => Promise<T>): Promise<T> {
    const { progress } = this.#options;
    return progress === undefined || this.#hasBeenReady ? work() : progress.during(phase, work);
  }

  /** Starts the process; throws when the system refuses even that. */
  #launch(): StartedWorker {
    try {
      const started = this.#options.launcher({
        id: this.id,
        gpuId: this.gpuId,
        onAnswer: () => this.#policy.succeeded(),
        onRoom: () => this.#options.scheduler.pump(),
        onBroken: (why) => {
          this.reason = why;
          // The channels of a worker that is ended on purpose may break off; that is nobody's trouble.
          this.#options.onEvent(this.#stopping.isSet ? 'info' : 'error', `worker is killed: ${why}`);
          started.signal('SIGKILL', why);
        },
      });
      return started;
    } catch (error) {
      const message = `The worker process could not be started: ${error instanceof Error ? error.message : String(error)}`;
      throw new ServingError('WORKER_CRASHED_AT_START', message, {}, error);
    }
  }

  /** Resolves when the worker is ready, or not wanted any more; throws the reason why it does not get ready. */
  async #becomeReady(started: StartedWorker): Promise<void> {
    const { clock, spec } = this.#options;
    const start = new WorkerStart({ started, spec, clock, stopping: this.#stopping });
    const load = async () => {
      this.signature = await started.load();
    };
    const warmUp = started.warmUp?.bind(undefined, (request) => {
      start.doing = ` during ${request}`;
      this.#enter('loading', `it computes ${request}`);
    });
    try {
      await this.#during('load', () => start.step(load));
      if (warmUp !== undefined && !this.#stopping.isSet) await this.#during('warm-up', () => start.step(warmUp));
    } finally {
      start.end();
    }
  }

  #failStart(reason: ServingError): void {
    const failure = withStartHint(reason, this.#options.spec.runtime);
    this.startFailure = failure;
    this.#options.onStartFailed(describeStartFailure(failure, this.id, new Date()));
    this.#options.onEvent('error', `worker failed to start: ${failure.message}`, {
      code: failure.code,
      trace: failure.details.trace,
    });
    this.#options.onChange();
  }

  async #serve(started: StartedWorker): Promise<void> {
    const { scheduler } = this.#options;
    this.startFailure = undefined;
    this.#hasBeenReady = true;
    this.#enter('ready', '');
    this.#options.onEvent('info', 'worker is ready', { pid: this.pid });
    started.client.beginServing();
    scheduler.addWorker(started.client);
    await this.#stopping.unless<unknown>(started.exited, undefined);
    scheduler.removeWorker(started.client);
    if (!this.#stopping.isSet) return;
    this.#enter('draining', '');
    const drained = new Signal();
    await Promise.race([started.exited, started.client.idle(), drained.within(this.#drainMs, this.#options.clock)]);
    drained.set();
    started.client.giveUp(stoppedBeforeAnswer());
  }

  /** Sees the process out, gently where it deserves it, and settles what it held. */
  async #end(started: StartedWorker, failure: ServingError | undefined): Promise<WorkerExit> {
    const { clock } = this.#options;
    const within = async (patienceMs: number) => {
      const patience = new Signal();
      const isOver = await Promise.race([
        started.exited.then(() => true),
        patience.within(patienceMs, clock).then(() => false),
      ]);
      patience.set();
      return isOver;
    };
    if (this.#stopping.isSet && this.#drainMs > 0 && started.client.isIdle()) {
      started.client.stop();
      if (!(await within(STOP_PATIENCE_MS))) started.signal('SIGTERM', NOT_WANTED);
      await within(TERM_PATIENCE_MS);
    } else if (failure !== undefined) {
      await within(LAST_WORDS_MS);
    }
    if (failure !== undefined || this.#stopping.isSet) started.signal('SIGKILL', failure?.message ?? NOT_WANTED);
    const exit = await started.exited;
    const { scheduler, spec } = this.#options;
    const poison = scheduler.takeBack(await started.client.settle(exit), workerDied(spec.name, exit));
    this.#accuse(poison);
    started.release();
    return exit;
  }

  /** For whoever looks for the request that ends workers. */
  #accuse(poison: readonly Job[]): void {
    if (poison.length === 0) return;
    // The reason has been found, and is gone: it need not keep the next process waiting.
    this.#policy.succeeded();
    const requestIds = poison.map(({ request }) => request.requestId);
    const message = 'a second worker died while it computed what a first one had died of; that is not tried again';
    this.#options.onEvent('error', message, { requestIds });
  }

  #enter(state: WorkerState, reason: string): void {
    this.state = state;
    this.reason = reason;
    this.#options.onChange();
  }
}

const NOT_WANTED = 'it is not wanted any more';

function stoppedBeforeAnswer(): ServingError {
  const message = 'The worker was stopped before it had answered: its time to finish was over.';
  return new ServingError('MODEL_STOPPING', message, { retryAfterSec: 1 });
}
