// Runs a program to its end, in a process group of its own: what it prints goes line by line to whoever listens, and all of it into a file.
// When it is to stop early, the whole group is killed. What the program is for is known by whoever runs it.
import { spawn } from 'node:child_process';
import type { WriteStream } from 'node:fs';
import type { Clock } from '../core/ports.ts';
import { describeEnd } from '../core/worker-state.ts';
import { LineTap } from './line-tap.ts';
import type { OrphanGuard } from './orphan-guard.ts';

export interface CommandOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly orphanGuard: OrphanGuard;
  /** Gets everything that the program prints. */
  readonly output: WriteStream;
  /** Kills the program and what it has started. */
  readonly signal: AbortSignal;
  onLine(line: string): void;
}

/** A program that has come to its end, or was never found. */
export interface CommandEnd {
  readonly hasSucceeded: boolean;
  /** "exit code 1", "signal SIGKILL", or why it could not be started. */
  readonly reason: string;
  /** Its last lines: those on stderr or, when it was silent there, those on stdout. */
  readonly lastLines: readonly string[];
}

/** Resolves when the program and all that it has started are gone; throws the signal's reason when it was killed for that. */
export async function runCommand(options: CommandOptions): Promise<CommandEnd> {
  const { command, args, cwd, env, clock, orphanGuard, output, signal, onLine } = options;
  signal.throwIfAborted();
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const taps = [child.stderr, child.stdout].map((stream) => {
    stream.pipe(output, { end: false });
    return new LineTap(stream, clock, onLine);
  });
  const { pid } = child;
  const killGroup = () => {
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // ESRCH: the group has ended, which is what was wanted.
    }
  };
  const giveUp = () => {
    killGroup();
    // A file that takes no more has stopped the pipes, and the process only counts as ended when these are empty.
    for (const stream of [child.stderr, child.stdout]) stream.resume();
  };
  if (pid !== undefined) orphanGuard.watch(pid);
  signal.addEventListener('abort', giveUp, { once: true });
  const end = await new Promise<Omit<CommandEnd, 'lastLines'>>((resolve) => {
    child.once('error', (error) => resolve({ hasSucceeded: false, reason: error.message }));
    // What it left running would keep its pipes open, and write on into a folder that may be removed.
    child.once('exit', killGroup);
    child.once('close', (exitCode, signalName) => {
      const reason = describeEnd({ exitCode, signal: signalName });
      resolve({ hasSucceeded: exitCode === 0, reason });
    });
  });
  signal.removeEventListener('abort', giveUp);
  if (pid !== undefined) orphanGuard.forget(pid);
  signal.throwIfAborted();
  return { ...end, lastLines: taps.map((tap) => tap.tail).find((tail) => tail.length > 0) ?? [] };
}
