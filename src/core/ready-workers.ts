// The workers of a version that take work now, and which of them something is given to. What is given, and when, is the scheduler's business.
import type { BatchWorker } from './ports.ts';
import type { WaitingJobs } from './waiting-jobs.ts';

export class ReadyWorkers {
  readonly #workers = new Set<BatchWorker>();

  get size(): number {
    return this.#workers.size;
  }

  /** Jobs that they were given ahead, have not begun with, and that somebody still waits for. */
  get aheadJobs(): number {
    let jobs = 0;
    for (const worker of this.#workers) jobs += worker.aheadJobs;
    return jobs;
  }

  /** How many could begin with something at once. */
  get idle(): number {
    let idle = 0;
    for (const worker of this.#workers) if (worker.room() > 0) idle += 1;
    return idle;
  }

  all(): Iterable<BatchWorker> {
    return this.#workers;
  }

  add(worker: BatchWorker): void {
    this.#workers.add(worker);
  }

  delete(worker: BatchWorker): void {
    this.#workers.delete(worker);
  }

  /** Whether one beside this one computes. */
  isAnotherBusy(worker: BatchWorker): boolean {
    for (const other of this.#workers) if (other !== worker && other.isBusy()) return true;
    return false;
  }

  /** The one that something of this queue should be given to first; undefined when nothing can be given out. */
  mostAppealing(queue: WaitingJobs): BatchWorker | undefined {
    let best: BatchWorker | undefined;
    let most = 0;
    for (const worker of this.#workers) {
      const appeal = queue.appeal(worker);
      if (appeal <= most) continue;
      best = worker;
      most = appeal;
    }
    return best;
  }

  /** Of those that take something ahead, the one that has least; undefined when none takes anything. */
  leastAhead(): BatchWorker | undefined {
    const isAlone = this.#workers.size === 1;
    let least: BatchWorker | undefined;
    for (const worker of this.#workers) {
      if (least !== undefined && worker.aheadJobs >= least.aheadJobs) continue;
      if (worker.takesAhead(isAlone)) least = worker;
    }
    return least;
  }
}
