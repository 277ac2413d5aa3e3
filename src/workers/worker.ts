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
import { describeExit, shellExitCode, type WorkerExit, type WorkerState } from '../core/worker-state.ts';
import { Signal } from './signal.ts';
import { stackIn } from './stack-dump.ts';
import type { StartedWorker, WorkerLauncher } from './worker-launcher.ts';

/** After a polite request to end, how long a process has before it is signalled, and then before it is killed. */
const STOP_PATIENCE_MS = 5_000;
const TERM_PATIENCE_MS = 2_000;

export interface WorkerOptions {
  readonly id: string;
  readonly gpuId: number | undefined;
  readonly scheduler: Scheduler;
  readonly launcher: WorkerLauncher;
  readonly clock: Clock;
  readonly spec: Pick<ModelSpec, 'runtime' | 'modelDir' | 'startupTimeoutSec'>;
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
  nextRetryAt: Date | undefined;
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

  constructor(options: WorkerOptions) {
    this.id = options.id;
    this.gpuId = options.gpuId;
    this.#options = options;
  }

  /** The state for people: a ready worker that computes is busy. */
  get visibleState(): WorkerState {
    return this.state === 'ready' && this.#client?.isBusy() === true ? 'busy' : this.state;
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
      this.nextRetryAt = new Date(Date.now() + decision.delayMs);
      this.#enter('backoff', decision.reason);
      await this.#stopping.within(decision.delayMs, this.#options.clock);
      this.nextRetryAt = undefined;
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
      return { exitCode: 127, signal: null, stderrTail: [] };
    }
    this.pid = started.pid;
    this.#client = started.client;
    this.#enter('loading', '');
    const failure = await this.#during('load', () => this.#load(started)).then(() => undefined, toServingError);
    if (failure === undefined && !this.#stopping.isSet) await this.#serve(started);
    else if (failure !== undefined && !this.#stopping.isSet) this.#failStart(failure);
    const exit = await this.#end(started, failure);
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
          started.signal('SIGKILL');
        },
      });
      return started;
    } catch (error) {
      const message = `The worker process could not be started: ${error instanceof Error ? error.message : String(error)}`;
      throw new ServingError('WORKER_CRASHED_AT_START', message, {}, error);
    }
  }

  /** Resolves when the worker is ready, or not wanted any more; throws the reason why it does not get ready. */
  async #load(started: StartedWorker): Promise<void> {
    const { clock, spec } = this.#options;
    const timeout = new Signal();
    const timer =
      spec.startupTimeoutSec === Infinity ? undefined : clock.after(spec.startupTimeoutSec * 1000, () => timeout.set());
    const outcome = started.load().then(
      (signature) => {
        this.signature = signature;
        return undefined;
      },
      (error: ServingError) => error,
    );
    const over = Promise.race([
      outcome,
      started.exited.then((exit) => Promise.race([outcome, this.#crashedAtStart(exit)])),
      this.#stopping.wait().then(() => undefined),
    ]);
    const failure = await Promise.race([over, timeout.wait().then(() => OVERSLEPT)]);
    timer?.cancel();
    if (failure === OVERSLEPT) throw await this.#hungAtStart(started);
    if (failure !== undefined) throw failure;
  }

  /** Asks the process where it is, and ends it. */
  async #hungAtStart(started: StartedWorker): Promise<ServingError> {
    const { clock, spec } = this.#options;
    if (started.showStack()) await new Signal().within(LAST_WORDS_MS, clock);
    started.signal('SIGKILL');
    const { stderrTail } = await started.exited;
    const { trace, place } = stackIn(stderrTail, spec.modelDir);
    const where = place === undefined ? '' : `; it was at ${place}`;
    const message = `The worker was not ready within the start-up timeout of ${spec.startupTimeoutSec} s${where}.`;
    return new ServingError('STARTUP_TIMEOUT', message, { trace });
  }

  /** Waits for a load error that the worker may have sent before it exited, and else tells the crash itself. */
  async #crashedAtStart(exit: WorkerExit): Promise<ServingError> {
    await new Signal().within(LAST_WORDS_MS, this.#options.clock);
    const { trace, place } = stackIn(exit.stderrTail, this.#options.spec.modelDir);
    const lastWords = place === undefined ? exit.stderrTail.at(-1) : `it was at ${place}.`;
    const message = `The worker process ended before it was ready (${describeExit(exit)})${lastWords === undefined ? '.' : `: ${lastWords}`}`;
    return new ServingError('WORKER_CRASHED_AT_START', message, { exitCode: shellExitCode(exit), trace });
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
    scheduler.addWorker(started.client);
    await Promise.race([started.exited, this.#stopping.wait()]);
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
      if (!(await within(STOP_PATIENCE_MS))) started.signal('SIGTERM');
      await within(TERM_PATIENCE_MS);
    } else if (failure !== undefined) {
      await within(LAST_WORDS_MS);
    }
    if (failure !== undefined || this.#stopping.isSet) started.signal('SIGKILL');
    const exit = await started.exited;
    const unstarted: Job[] = await started.client.settle(exit);
    this.#options.scheduler.takeBack(unstarted);
    started.release();
    return exit;
  }

  #enter(state: WorkerState, reason: string): void {
    this.state = state;
    this.reason = reason;
    this.#options.onChange();
  }
}

const OVERSLEPT = Symbol('not ready in time');

/** How long a failing process may take to send its reason and to exit by itself. */
const LAST_WORDS_MS = 300;

function stoppedBeforeAnswer(): ServingError {
  const message = 'The worker was stopped before it had answered: its time to finish was over.';
  return new ServingError('MODEL_STOPPING', message, { retryAfterSec: 1 });
}
