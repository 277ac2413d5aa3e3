// One start of a worker, from its process to the moment when it may be given work. Each step is raced against the end of the process, the
// start-up timeout and the wish to stop; what goes wrong is worded here. What follows from it is worker.ts's business.
import { ServingError } from '../core/errors.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Clock, Timer } from '../core/ports.ts';
import { describeExit, shellExitCode, type WorkerExit } from '../core/worker-state.ts';
import { Signal } from './signal.ts';
import { stackIn } from './stack-dump.ts';
import type { StartedWorker } from './worker-launcher.ts';

/** How long a failing process may take to send its reason and to exit by itself. */
export const LAST_WORDS_MS = 300;

/** How a step ended. */
type StepEnd = 'done' | 'too late' | { readonly error: unknown };

export interface WorkerStartOptions {
  readonly started: Pick<StartedWorker, 'exited' | 'showStack' | 'signal'>;
  readonly spec: Pick<ModelSpec, 'modelDir' | 'startupTimeoutSec'>;
  readonly clock: Clock;
  /** Set when the worker is not wanted any more. */
  readonly stopping: Signal;
}

export class WorkerStart {
  /** What it is doing, to continue "the process ended"; "" while it loads the model. */
  doing = '';
  readonly #options: WorkerStartOptions;
  readonly #timeout = new Signal();
  readonly #timer: Timer | undefined;

  /** The start-up timeout counts from here, for all steps together. */
  constructor(options: WorkerStartOptions) {
    this.#options = options;
    const { startupTimeoutSec } = options.spec;
    if (startupTimeoutSec !== Infinity)
      this.#timer = options.clock.after(startupTimeoutSec * 1000, () => this.#timeout.set());
  }

  /** Resolves when the step is done, or the worker not wanted any more; throws the reason why it does not come to its end. */
  async step(work: () => Promise<void>): Promise<void> {
    const { started, stopping } = this.#options;
    const outcome = work().then(
      (): StepEnd => 'done',
      (error: unknown): StepEnd => ({ error }),
    );
    const own = Promise.race([
      outcome,
      started.exited.then((exit) => Promise.race([outcome, this.#crashed(exit)])),
      this.#timeout.wait().then((): StepEnd => 'too late'),
    ]);
    const end = await stopping.unless(own, 'done');
    if (end === 'too late') throw await this.#hung();
    if (end !== 'done') throw end.error;
  }

  /** No step follows. */
  end(): void {
    this.#timer?.cancel();
  }

  /** Asks the process where it is, and ends it. */
  async #hung(): Promise<ServingError> {
    const { started, clock, spec } = this.#options;
    if (started.showStack()) await new Signal().within(LAST_WORDS_MS, clock);
    const timeout = `start-up timeout of ${spec.startupTimeoutSec} s`;
    started.signal('SIGKILL', `it was not ready within the ${timeout}`);
    const { stderrTail } = await started.exited;
    const { trace, place } = stackIn(stderrTail, spec.modelDir);
    const where = place === undefined ? '' : `; it was at ${place}`;
    const message = `The worker was not ready within the ${timeout}${this.doing}${where}.`;
    return new ServingError('STARTUP_TIMEOUT', message, { trace });
  }

  /** Waits for an error that the worker may have sent before it exited, and else tells the crash itself. */
  async #crashed(exit: WorkerExit): Promise<StepEnd> {
    await new Signal().within(LAST_WORDS_MS, this.#options.clock);
    const { trace, place } = stackIn(exit.stderrTail, this.#options.spec.modelDir);
    const lastWords = place === undefined ? exit.stderrTail.at(-1) : `it was at ${place}.`;
    const when = this.doing === '' ? ' before it was ready' : this.doing;
    const isStarved = exit.memory === 'out';
    const what = isStarved ? 'ran out of memory and ended' : 'ended';
    const message = `The worker process ${what}${when} (${describeExit(exit)})${lastWords === undefined ? '.' : `: ${lastWords}`}`;
    const details = { exitCode: shellExitCode(exit), trace };
    return {
      error: new ServingError(isStarved ? 'WORKER_OUT_OF_MEMORY' : 'WORKER_CRASHED_AT_START', message, details),
    };
  }
}
