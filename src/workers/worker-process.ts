// One operating-system process with its two channels, in a process group of its own. The truth about its death is its exit, not the end of
// a socket: a forked child can keep one open.
import { type ChildProcess, spawn } from 'node:child_process';
import { Duplex, type Readable } from 'node:stream';
import type { Clock } from '../core/ports.ts';
import type { WorkerExit } from '../core/worker-state.ts';
import { countOomKills, memoryVerdict } from './exit-memory.ts';
import { LineTap } from './line-tap.ts';

/** How to start a process: what a runtime knows. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  /** What to do when the command cannot be started. */
  readonly advice: string;
  /** At this signal the process writes the stacks of its threads to stderr; undefined when it knows no such signal. */
  readonly stackSignal?: NodeJS.Signals;
}

export type OutputStream = 'stdout' | 'stderr';

export class WorkerProcess {
  readonly pid: number | undefined;
  /** Resolves once the process itself has ended, or was not found. */
  readonly exited: Promise<WorkerExit>;
  readonly data: Duplex;
  readonly control: Duplex;
  readonly #child: ChildProcess;
  readonly #stackSignal: NodeJS.Signals | undefined;
  readonly #oomKillsBefore = countOomKills();
  /** Why the server has killed it. */
  #killedFor: string | undefined;
  #hasExited = false;

  /** Throws when the system has no descriptors left for the channels. */
  constructor(launch: Launch, clock: Clock, onLine: (line: string, stream: OutputStream) => void) {
    const child = spawn(launch.command, launch.args, {
      cwd: launch.cwd,
      env: launch.env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    // Node reports a failed start by an event, whatever else happens here; unheard, it would end the server.
    const failed = new Promise<Error>((resolve) => {
      child.once('error', resolve);
    });
    this.#child = child;
    this.#stackSignal = launch.stackSignal;
    this.pid = child.pid;
    if (child.stdio === undefined)
      throw new Error(`no file descriptors are left for ${launch.command}; raise the limit of open files (ulimit -n)`);
    const [, stdout, stderr, data, control] = child.stdio;
    new LineTap(readable(stdout), clock, (line) => onLine(line, 'stdout'));
    const errors = new LineTap(readable(stderr), clock, (line) => onLine(line, 'stderr'));
    this.data = duplex(data);
    this.control = duplex(control);
    this.exited = new Promise((resolve) => {
      void failed.then((error) => {
        const stderrTail = [`${error.message}. ${launch.advice}`];
        if (child.pid === undefined)
          resolve({ exitCode: 127, signal: null, stderrTail, killedFor: undefined, memory: undefined });
      });
      child.once('exit', (exitCode, signal) => {
        this.#hasExited = true;
        // What the worker started must not outlive it.
        this.signal('SIGKILL', '');
        // Its last words are still in the pipe when it exits; they come with the next turns of the event loop.
        const exit = () => resolve(this.#explained({ exitCode, signal, stderrTail: [...errors.tail] }));
        if (stderr === null || stderr === undefined || stderr.destroyed) exit();
        else {
          const patience = clock.after(LAST_WORDS_MS, exit);
          stderr.once('close', () => {
            patience.cancel();
            exit();
          });
        }
      });
    });
  }

  /** Signals the whole process group. Nothing happens when it is gone. `why` continues "it was killed: ". */
  signal(name: 'SIGTERM' | 'SIGKILL', why: string): void {
    if (this.pid === undefined) return;
    if (!this.#hasExited) this.#killedFor ??= why;
    try {
      process.kill(-this.pid, name);
    } catch {
      // ESRCH: the group has ended, which is what was wanted.
    }
  }

  /** Asks for the stacks of the process's threads on stderr; false when it cannot tell. */
  showStack(): boolean {
    return this.#stackSignal !== undefined && this.#child.kill(this.#stackSignal);
  }

  async #explained(exit: Pick<WorkerExit, 'exitCode' | 'signal' | 'stderrTail'>): Promise<WorkerExit> {
    // A process that was on its way out by itself may have been faster than the signal.
    const killedFor = exit.signal === null ? undefined : this.#killedFor;
    if (killedFor !== undefined) return { ...exit, killedFor, memory: undefined };
    const before = exit.signal === 'SIGKILL' ? await this.#oomKillsBefore : undefined;
    const hasKernelKilled = before !== undefined && ((await countOomKills()) ?? 0) > before;
    return { ...exit, killedFor, memory: memoryVerdict(exit, hasKernelKilled) };
  }

  /** Lets go of every descriptor; for a process that has exited. */
  release(): void {
    for (const stream of this.#child.stdio) stream?.destroy();
  }
}

/** How long a dead process's stderr is read on when a forked child keeps it open. */
const LAST_WORDS_MS = 100;

function readable(stream: unknown): Readable {
  return stream as Readable;
}

function duplex(stream: unknown): Duplex {
  if (stream instanceof Duplex) return stream;
  throw new TypeError('a worker process was started without its channels');
}
