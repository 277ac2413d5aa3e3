// `torchserve --stop`: the signal to the server of the pid file, and what is said about it. The server itself finishes the requests at hand;
// its ports are free from the signal on, so the next start need not wait for that.
import { setTimeout as sleep } from 'node:timers/promises';
import { isRunning, pidFilePath, readPidFile, removePidFile } from './pid-file.ts';

/** More than the server takes to finish its requests and to end its workers. */
const MAX_WAIT_MS = 60_000;
const POLL_MS = 20;

/** Ends the server; with `isAwaited`, resolves when it has ended. Answers the exit status. */
export async function stopServer(isAwaited: boolean, say: (line: string) => void): Promise<number> {
  const path = pidFilePath(process.env);
  const entry = await readPidFile(path);
  if (entry === undefined) {
    say('TorchServe is not currently running.');
    return 0;
  }
  if (entry.pid === undefined || !entry.isRunning || !sendSignal(entry.pid)) {
    await removePidFile(path, entry);
    say('TorchServe already stopped.');
    return 0;
  }
  await removePidFile(path, entry);
  if (isAwaited && !(await hasEnded(entry.pid))) {
    say('Stopping TorchServe took too long.');
    return 1;
  }
  say('TorchServe has stopped.');
  return 0;
}

/** Whether there was a process to signal. */
function sendSignal(pid: number): boolean {
  try {
    process.kill(pid, 'SIGTERM');
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH') return false;
    throw thrown;
  }
}

async function hasEnded(pid: number): Promise<boolean> {
  const deadline = performance.now() + MAX_WAIT_MS;
  while (await isRunning(pid)) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}
