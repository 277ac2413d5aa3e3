// `torchserve` from its arguments to its exit status: which of its actions is asked for, and the server in the foreground. A server in the
// background is the same command in a process of its own; see torchserve/background.ts.
import { resolve } from 'node:path';
import type { ServerConfig } from '../config/server-config.ts';
import { surviveClosedOutput } from './terminal/closed-output.ts';
import { failureText } from './terminal/failure.ts';
import { parseTorchserveArgs, type TorchserveFlags, torchserveHelp, torchserveUsageError } from './torchserve/flags.ts';
import { claimPidFile, pidFilePath, readPidFile, removePidFile } from './torchserve/pid-file.ts';
import { BACKGROUND_MARK, LauncherRefusal, torchserveSettings } from './torchserve/settings.ts';

/** The release whose command line and answers these are. */
const TORCHSERVE_VERSION = '0.12.0';

const ALREADY_RUNNING = 'TorchServe is already running, please use torchserve --stop to stop TorchServe.';

/** Runs the command and sets its exit status; in the foreground, resolves when the server answers. */
export async function runTorchserve(args: readonly string[], version: string): Promise<void> {
  surviveClosedOutput('torchserve');
  const order = parseTorchserveArgs(args);
  switch (order.kind) {
    case 'help':
      say(torchserveHelp().trimEnd());
      return;
    case 'error':
      process.stderr.write(torchserveUsageError(order.message));
      process.exitCode = 2;
      return;
    case 'version':
      say(`TorchServe Version is ${TORCHSERVE_VERSION} (Sconce ${version})`);
      return;
    case 'stop': {
      const { stopServer } = await import('./torchserve/stop.ts');
      return orExplain(async () => {
        process.exitCode = await stopServer(order.isAwaited, say);
      });
    }
    case 'start':
      return orExplain(() => start(args, order.flags, version));
  }
}

async function start(args: readonly string[], flags: TorchserveFlags, version: string): Promise<void> {
  const pidFile = pidFilePath(process.env);
  const entry = await readPidFile(pidFile);
  if (entry?.isRunning === true) {
    say(ALREADY_RUNNING);
    process.exitCode = 1;
    return;
  }
  if (entry !== undefined) {
    say('Removing orphan pid file.');
    await removePidFile(pidFile, entry);
  }
  const run = { env: { ...process.env }, cwd: process.cwd() };
  const config = await torchserveSettings(flags, run);
  if (flags.foreground) return serveInForeground(pidFile, config, version);
  const { startInBackground } = await import('./torchserve/background.ts');
  process.exitCode = await startInBackground(args, run, config, say);
}

async function serveInForeground(pidFile: string, config: ServerConfig, version: string): Promise<void> {
  const isInBackground = process.env[BACKGROUND_MARK] !== undefined;
  delete process.env[BACKGROUND_MARK];
  const other = await claimPidFile(pidFile);
  if (other !== undefined) {
    say(ALREADY_RUNNING);
    process.exitCode = 1;
    return;
  }
  // The server and its workers look for their temporary files there.
  if (process.env['TEMP']) process.env['TMPDIR'] = resolve(process.env['TEMP']);
  const { serveUntilSignal } = await import('./serve.ts');
  await serveUntilSignal({
    name: 'torchserve',
    version,
    configure: async () => config,
    started: async (server, serverLog) => {
      await serverLog.flush();
      // The line that TorchServe's users wait for, on a line of its own.
      say('Model server started.');
      if (!isInBackground) return;
      const { reportStarted } = await import('./torchserve/background.ts');
      reportStarted(server.addresses);
    },
  });
}

/** TorchServe's own sentences are on stdout, as there; all other reasons on stderr. */
async function orExplain(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (thrown) {
    if (thrown instanceof LauncherRefusal) say(thrown.message);
    else process.stderr.write(`torchserve: ${reasonOf(thrown)}\n`);
    process.exitCode = 1;
  }
}

function reasonOf(thrown: unknown): string {
  const isAboutFile = thrown instanceof Error && 'path' in thrown;
  const advice = isAboutFile ? '; correct the permissions, or name other folders with LOG_LOCATION and TMPDIR' : '';
  return failureText(thrown) + advice;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
