// The states of a supervised worker, and what a description of it says.
//
//   starting ──▶ loading ──▶ ready ⇄ busy ──▶ draining ──▶ stopped
//      ▲            │           │                             ▲
//      └─ backoff ◀─┴───────────┴── (exit) ──── not wanted ───┘

export type WorkerState = 'starting' | 'loading' | 'ready' | 'busy' | 'draining' | 'backoff' | 'stopped';

/** Whether a process ended because memory ran out: known, or what it looks like. */
export type MemoryVerdict = 'out' | 'probably out';

/** How a worker process ended. */
export interface WorkerExit {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** The last lines of its stderr, oldest first. */
  readonly stderrTail: readonly string[];
  /** Why the server ended it; undefined when it ended by itself, or by somebody else. */
  readonly killedFor: string | undefined;
  /** Undefined when it did not end for want of memory, as far as anybody can tell. */
  readonly memory: MemoryVerdict | undefined;
}

/** Words for how a worker ended, and why, where that is known. */
export function describeExit(exit: WorkerExit): string {
  const { killedFor, memory } = exit;
  const how = describeEnd(exit);
  if (killedFor !== undefined) return `${how}, by the server: ${killedFor}`;
  if (memory === undefined) return how;
  return `${how}: ${memory === 'out' ? 'out of memory' : 'most often a sign that memory ran out'}`;
}

/** Words for how any process ended: "exit code 3", "signal SIGKILL". */
export function describeEnd({ exitCode, signal }: Pick<WorkerExit, 'exitCode' | 'signal'>): string {
  return signal === null ? `exit code ${exitCode ?? 'unknown'}` : `signal ${signal}`;
}

/** One word for why a process ended, for programs that read descriptions; undefined when the code or signal is all that is known. */
export function exitReason({ killedFor, memory }: WorkerExit): 'killed' | 'oom' | 'probably-oom' | undefined {
  if (memory === 'out') return 'oom';
  if (killedFor !== undefined) return 'killed';
  return memory && 'probably-oom';
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
