// Which accelerators the machine has, and which worker gets which. Detection asks nvidia-smi once, at start; a machine without it has none.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 5_000;

/** Device numbers of the GPUs that nvidia-smi lists, at most `limit` of them. */
export async function detectGpus(limit: number | undefined): Promise<number[]> {
  if (limit === 0) return [];
  try {
    const { stdout } = await run('nvidia-smi', ['--query-gpu=index', '--format=csv,noheader'], { timeout: TIMEOUT_MS });
    const ids = stdout
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => /^\d+$/.test(line))
      .map(Number);
    return ids.slice(0, limit);
  } catch {
    return [];
  }
}

/** What describe says of a device, in TorchServe's form. */
export async function describeGpu(id: number): Promise<string> {
  const query = 'utilization.gpu,utilization.memory,memory.used';
  try {
    const { stdout } = await run(
      'nvidia-smi',
      [`--id=${id}`, `--query-gpu=${query}`, '--format=csv,noheader,nounits'],
      { timeout: TIMEOUT_MS },
    );
    const [gpu, memory, used] = stdout.trim().split(/\s*,\s*/);
    if (used === undefined) return 'failed to obtained gpu usage';
    return `gpuId::${id} utilization.gpu::${gpu} % utilization.memory::${memory} % memory.used::${used} MiB`;
  } catch {
    return 'failed to obtained gpu usage';
  }
}

/** Gives each worker the device that has the fewest workers, counted over all models. */
export class Devices {
  readonly #workersOn: Map<number, number>;

  constructor(gpuIds: readonly number[]) {
    this.#workersOn = new Map(gpuIds.map((id) => [id, 0]));
  }

  /** How many devices there are, among `allowed` when given. */
  countOf(allowed: readonly number[] | undefined): number {
    return this.#candidates(allowed).length;
  }

  /** Takes a place on a device, among `allowed` when given; undefined (the CPU) when there is none. */
  acquire(allowed: readonly number[] | undefined): number | undefined {
    const [first, ...others] = this.#candidates(allowed);
    if (first === undefined) return undefined;
    const [id, workers] = others.reduce((least, next) => (next[1] < least[1] ? next : least), first);
    this.#workersOn.set(id, workers + 1);
    return id;
  }

  /** Takes one more place on a device that somebody has a place on; `undefined` is the CPU. */
  share(id: number | undefined): void {
    if (id !== undefined) this.#workersOn.set(id, (this.#workersOn.get(id) ?? 0) + 1);
  }

  release(id: number | undefined): void {
    if (id === undefined) return;
    this.#workersOn.set(id, (this.#workersOn.get(id) ?? 1) - 1);
  }

  #candidates(allowed: readonly number[] | undefined): [id: number, workers: number][] {
    return [...this.#workersOn].filter(([id]) => allowed === undefined || allowed.includes(id));
  }
}
