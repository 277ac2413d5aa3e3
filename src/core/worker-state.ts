// The states of a supervised worker, and what a description of it says.
//
//   starting ──▶ loading ──▶ ready ⇄ busy ──▶ draining ──▶ stopped
//      ▲            │           │                             ▲
//      └─ backoff ◀─┴───────────┴── (exit) ──── not wanted ───┘

export type WorkerState = 'starting' | 'loading' | 'ready' | 'busy' | 'draining' | 'backoff' | 'stopped';

/** How a worker process ended. */
export interface WorkerExit {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last lines of its stderr, oldest first. */
  readonly stderrTail: readonly string[];
}

/** Words for how a process ended: "exit code 3", "signal SIGKILL". */
export function describeExit(exit: WorkerExit): string {
  return exit.signal === null ? `exit code ${exit.exitCode ?? 'unknown'}` : `signal ${exit.signal}`;
}

/** The exit code as a shell would say it: 128 + 9 = 137 for SIGKILL, which is how the kernel ends what is out of memory. */
export function shellExitCode(exit: WorkerExit): number {
  if (exit.signal === 'SIGKILL') return 137;
  return exit.exitCode ?? 1;
}

/** One worker as describe shows it. */
export interface WorkerDescription {
  readonly id: string;
  /** Wall-clock time of the worker's creation; a restart does not change it. */
  readonly createdAt: Date;
  readonly state: WorkerState;
  /** Why the worker is in this state, "" when there is nothing to say. */
  readonly reason: string;
  readonly pid: number | undefined;
  /** Device number, undefined on the CPU. */
  readonly gpuId: number | undefined;
  readonly gpuUsage: string;
  /** Resident memory of the process, 0 when there is none. */
  readonly memoryBytes: number;
  readonly lastExit: WorkerExit | undefined;
  /** Wall-clock time of the next start, while in backoff. */
  readonly nextRetryAt: Date | undefined;
}
