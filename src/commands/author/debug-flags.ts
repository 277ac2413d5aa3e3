// `--debugpy`, `--inspect` and `--wait`: which debugger the author wants, and whether it can be had, asked before anything is started.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ConfigError } from '../../config/config-error.ts';
import type { WorkerDebugger } from '../../workers/debugger.ts';
import { isPortFree } from './free-addresses.ts';

export interface DebugFlags {
  readonly debugpy?: string;
  readonly inspect?: string;
  readonly wait?: boolean;
}

const LOOPBACK = '127.0.0.1';
const POLL_MS = 20;

/** The debugger that the flags ask for, undefined for none. Throws ConfigError for flags that make no sense. */
export function debuggerOf({ debugpy, inspect, wait }: DebugFlags): WorkerDebugger | undefined {
  if (debugpy !== undefined && inspect !== undefined)
    throw new ConfigError('--debugpy is for Python handlers and --inspect for TypeScript; give one of them');
  const isWaiting = wait ?? false;
  if (debugpy !== undefined) return { kind: 'debugpy', port: portOf('--debugpy', debugpy), isWaiting };
  if (inspect !== undefined) return { kind: 'inspector', port: portOf('--inspect', inspect), isWaiting };
  if (isWaiting) throw new ConfigError('--wait waits for a debugger; add --debugpy PORT or --inspect PORT');
  return undefined;
}

/** Throws ConfigError when the debugger is not installed or its port is taken. */
export async function checkDebugger({ kind, port }: WorkerDebugger, python: string): Promise<void> {
  const flag = kind === 'debugpy' ? '--debugpy' : '--inspect';
  if (!(await isPortFree(LOOPBACK, port)))
    throw new ConfigError(`${flag} ${port}: the port is in use by another process; choose another one`);
  if (kind === 'inspector') return;
  try {
    await promisify(execFile)(python, ['-c', 'import debugpy']);
  } catch (error) {
    const { code, stderr = '' } = error as { readonly code?: unknown; readonly stderr?: string };
    if (code === 'ENOENT') throw new ConfigError(`python: there is no command ${python}; name one with --python`);
    if (!stderr.includes('ModuleNotFoundError'))
      throw new ConfigError(`${flag}: debugpy cannot be imported: ${stderr}`);
    throw new ConfigError(
      `${flag}: debugpy is not installed for ${python}; install it with: ${python} -m pip install debugpy`,
    );
  }
}

/** Resolves when the worker that had the debugger's port is gone with all that it started; gives up after `patienceMs`. */
export async function debuggerPortFree({ port }: WorkerDebugger, patienceMs: number): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!(await isPortFree(LOOPBACK, port)) && performance.now() < giveUpAt)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

/** What to tell the author, who has to attach. */
export function debuggerNotice({ kind, port, isWaiting }: WorkerDebugger): string {
  const tool = kind === 'debugpy' ? 'debugpy (in VS Code: "type": "debugpy", "request": "attach")' : 'chrome://inspect';
  const waiting = isWaiting ? '; the model loads when a debugger is attached' : '';
  return `debugger on ${LOOPBACK}:${port}, for ${tool}; timeouts are off${waiting}`;
}

function portOf(flag: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65_535) return port;
  throw new ConfigError(`${flag} ${text}: expected a port from 1 to 65535`);
}
