// A server of its own process for `torchserve --start`: it is detached, writes into ts_log.log, and says over a channel to the command that
// waits when it answers. The command asks its /ping before it believes that, and shows the end of the log when there is no server.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerConfig } from '../../config/server-config.ts';
import type { RunningServer } from '../../server.ts';
import { askServer } from './ask-server.ts';
import { endOfLog } from './log-end.ts';
import { BACKGROUND_MARK, logFolder, type TorchserveRun } from './settings.ts';

type Addresses = RunningServer['addresses'];

const PROGRAM = fileURLToPath(new URL('../../torchserve.js', import.meta.url));
/** After this long without a word, the user is told what is waited for. */
const SLOW_START_MS = 10_000;
/** How long a server that says it answers may take to do so. */
const PING_TIMEOUT_MS = 10_000;

/** Starts the server and answers the exit status: 0 once it answers, 1 when it does not start. */
export async function startInBackground(
  args: readonly string[],
  run: TorchserveRun,
  config: ServerConfig,
  say: (line: string) => void,
): Promise<number> {
  for (const notice of config.notices) complain(notice);
  const folder = logFolder(run);
  await mkdir(folder, { recursive: true });
  const logPath = join(folder, 'ts_log.log');
  // Appending: a tool that cuts the file back leaves no hole in it.
  const log = await open(logPath, 'a');
  const { size } = await log.stat();
  const child = spawn(process.execPath, [...process.execArgv, PROGRAM, '--foreground', ...args], {
    cwd: run.cwd,
    env: { ...run.env, [BACKGROUND_MARK]: '1' },
    // A session of its own: what ends this terminal does not end the server.
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
  });
  const outcome = await startOf(child, () => complain(`the server is still starting; its log is ${logPath}`));
  await log.close();
  if ('failure' in outcome) {
    complain(`${outcome.failure}; the end of ${logPath}:`);
    process.stderr.write(await endOfLog(logPath, size));
    return outcome.status;
  }
  child.unref();
  const { addresses } = outcome;
  const { inference, management, metrics } = addresses;
  const ping = await askServer(inference, '/ping', PING_TIMEOUT_MS).catch((thrown: unknown) => thrown);
  if (ping instanceof Error) {
    complain(`the server runs as process ${child.pid}, but ${inference}/ping does not answer: ${ping.message}`);
    return 1;
  }
  say('Model server started.');
  say(`Inference ${inference}, management ${management}, metrics ${metrics}; process ${child.pid}, log ${logPath}`);
  for (const reason of await missingModels(addresses)) complain(reason);
  return 0;
}

/** In the server: tells the command that started it where it answers, and lets it go. */
export function reportStarted(addresses: Addresses): void {
  // The command may be gone already; then nobody needs to know.
  process.send?.(addresses, undefined, undefined, () => {
    if (process.connected) process.disconnect?.();
  });
}

type StartOutcome = { readonly addresses: Addresses } | { readonly failure: string; readonly status: number };

/** Waits until the server says that it answers, or ends. Whoever gives the command up gives the server up. */
async function startOf(child: ChildProcess, onSlow: () => void): Promise<StartOutcome> {
  const slow = setTimeout(onSlow, SLOW_START_MS);
  let givenUp: NodeJS.Signals | undefined;
  const giveUp = (signal: NodeJS.Signals) => {
    givenUp = signal;
    child.kill('SIGTERM');
  };
  process.on('SIGINT', giveUp).on('SIGTERM', giveUp);
  try {
    return await new Promise<StartOutcome>((resolve) => {
      child.once('message', (addresses) => resolve({ addresses: addresses as Addresses }));
      child.once('error', (error) => resolve({ failure: `the server cannot be started: ${error.message}`, status: 1 }));
      child.once('exit', (code, signal) => {
        const how = signal === null ? `exit code ${code}` : signal;
        if (givenUp === undefined) resolve({ failure: `the server did not start (${how})`, status: 1 });
        else resolve({ failure: 'the start was given up', status: givenUp === 'SIGINT' ? 130 : 143 });
      });
    });
  } finally {
    clearTimeout(slow);
    process.off('SIGINT', giveUp).off('SIGTERM', giveUp);
  }
}

/** Why models that were to be loaded at start are not there. */
async function missingModels({ management }: Addresses): Promise<readonly string[]> {
  const answer = await askServer(management, '/readyz', PING_TIMEOUT_MS).catch(() => undefined);
  if (answer === undefined) return [];
  const { reasons = [] } = JSON.parse(answer.text) as { reasons?: readonly string[] };
  return reasons.filter((reason) => reason.startsWith('load_models: '));
}

function complain(line: string): void {
  process.stderr.write(`torchserve: ${line}\n`);
}
