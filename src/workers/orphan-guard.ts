// Sees to it that nothing outlives a server that was killed. A worker ends by itself when its server is gone; what its handler has started
// does not, and neither does a worker in a C call where the kernel has no signal for the death of a parent. So one shell waits for
// the end of a pipe that only the server holds, and then kills the process groups of the workers and removes the unpacked models.
import { type ChildProcess, spawn } from 'node:child_process';

/** Keeps the list of living groups as the server tells it line by line. It is not to be ended by the signals that the server gets. */
const SCRIPT = `
trap '' HUP INT TERM
groups=
while read -r verb group; do
  kept=
  for known in $groups; do [ "$known" = "$group" ] || kept="$kept $known"; done
  groups=$kept
  [ "$verb" = watch ] && groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group"; done
rm -rf -- "$1"
`;

export class OrphanGuard {
  readonly #workDir: string;
  #shell: ChildProcess | undefined;

  /** `workDir` is the server's folder for temporary files: it goes when the server has gone. */
  constructor(workDir: string) {
    this.#workDir = workDir;
  }

  /** From now on the process group `group` dies with the server. */
  watch(group: number): void {
    this.#shell ??= startShell(this.#workDir);
    this.#tell(`watch ${group}`);
  }

  /** The process group has ended; its number may come to mean another one. */
  forget(group: number): void {
    this.#tell(`forget ${group}`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(`${line}\n`);
  }
}

/** The server's own end closes the pipe, so there is nothing to stop: a shell without groups to kill just ends. */
function startShell(workDir: string): ChildProcess {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'sconce-orphan-guard', workDir], {
    cwd: '/',
    env: {},
    // A session of its own: what a terminal sends to the server's group does not reach it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without a shell the server serves all the same.
  shell.on('error', () => {});
  shell.stdin?.on('error', () => {});
  shell.unref();
  return shell;
}
