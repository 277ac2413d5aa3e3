// Makes the workers of one version: gives each its id, its device and its place in the log. Which are wanted is the pool's business.
import type { LoadProgress } from '../core/load-progress.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Clock, WorkerLog } from '../core/ports.ts';
import type { Scheduler } from '../core/scheduler.ts';
import type { StartFailure } from '../core/start-failure.ts';
import type { Devices } from './devices.ts';
import { PoolMember } from './pool-member.ts';
import type { WorkerLauncher } from './worker-launcher.ts';

export interface MemberMakerOptions {
  readonly spec: ModelSpec;
  readonly scheduler: Scheduler;
  readonly launcher: WorkerLauncher;
  readonly devices: Devices;
  readonly clock: Clock;
  readonly log: WorkerLog;
  /** Gets the phases in which the version's first worker starts. */
  readonly progress: LoadProgress;
  /** Ids are unique in the server and count up. */
  nextWorkerId(): string;
  /** The state of a worker has changed. */
  onChange(): void;
  onStartFailed(failure: StartFailure): void;
  /** The last process of a worker is gone. */
  onEnded(member: PoolMember): void;
}

export class MemberMaker {
  readonly #options: MemberMakerOptions;

  constructor(options: MemberMakerOptions) {
    this.#options = options;
  }

  /** Starts a worker beside `others`, `numberGpu` of which may be on a GPU. The first one stands for the version's way to be loaded. */
  start(others: readonly PoolMember[], numberGpu: number | undefined, isFirst: boolean): PoolMember {
    const { spec, devices, progress } = this.#options;
    const gpuId = this.#wantsGpu(others, numberGpu) ? devices.acquire(spec.deviceIds) : undefined;
    return this.#make(gpuId, isFirst ? progress : undefined, undefined);
  }

  /** Starts a worker on the device of another one, at once or when `after` is over. */
  startLike({ worker }: PoolMember, after: Promise<void> | undefined): PoolMember {
    this.#options.devices.share(worker.gpuId);
    return this.#make(worker.gpuId, undefined, after);
  }

  /** Writes down what happened to a worker, or to the version as a whole. */
  log(worker: string | undefined, level: 'info' | 'warn' | 'error', message: string, details?: object): void {
    const { spec, log } = this.#options;
    log.event({ model: spec.name, version: spec.version, worker }, level, message, details);
  }

  #make(gpuId: number | undefined, progress: LoadProgress | undefined, after: Promise<void> | undefined): PoolMember {
    const { spec, scheduler, launcher, devices, clock, onChange, onStartFailed, onEnded } = this.#options;
    const id = this.#options.nextWorkerId();
    const member: PoolMember = new PoolMember({
      id,
      gpuId,
      scheduler,
      launcher,
      clock,
      spec,
      after,
      progress,
      onChange,
      onStartFailed,
      onEvent: (level, message, details) => this.log(id, level, message, details),
      onEnded: () => {
        devices.release(gpuId);
        onEnded(member);
      },
    });
    return member;
  }

  /** A number that the caller names goes one worker to a device: what is beyond the devices runs on the CPU. */
  #wantsGpu(others: readonly PoolMember[], numberGpu: number | undefined): boolean {
    const { spec, devices } = this.#options;
    if (spec.deviceType === 'cpu') return false;
    if (numberGpu === undefined) return true;
    const onGpu = others.filter(({ worker }) => worker.gpuId !== undefined).length;
    return onGpu < Math.min(numberGpu, devices.countOf(spec.deviceIds));
  }
}
