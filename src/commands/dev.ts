// `sconce dev MODEL`: serves a folder as it stands and loads it again on each save, the old version answering until the new one does. Failures of
// the handler are told on the terminal and never end the command; Ctrl-C does.
import type { RunningServer } from '../server.ts';
import { AuthorLog } from './author/author-log.ts';
import { type AuthorFlags, authorSettings, startAuthorServer } from './author/author-server.ts';
import { debuggerNotice } from './author/debug-flags.ts';
import { DevSession } from './author/dev-session.ts';
import { FolderWatch } from './author/folder-watch.ts';
import { withFreePorts } from './author/free-addresses.ts';
import { findTarget } from './author/model-target.ts';
import { failureText } from './terminal/failure.ts';
import { paintFor } from './terminal/paint.ts';

/** What was written behind `sconce dev`, as commander names it. */
export interface DevFlags extends AuthorFlags {
  readonly ignore?: string[];
}

/** After Ctrl-C, how long the requests at hand may take. */
const GRACE_MS = 2_000;

/** Serves until a signal comes. A start that fails says why on stderr and leaves exit status 1; it does not throw. */
export async function dev(path: string, flags: DevFlags, version: string): Promise<void> {
  const giveUp = new AbortController();
  const stopping = stopSignal(giveUp);
  let server: RunningServer | undefined;
  let watch: FolderWatch | undefined;
  let session: DevSession | undefined;
  try {
    const target = await findTarget(path);
    const { config: settings, workerDebugger } = await authorSettings(target, flags);
    const config = await withFreePorts(settings);
    const paint = { output: paintFor(process.stdout, process.env), messages: paintFor(process.stderr, process.env) };
    const { folder, file } = target;
    const log = new AuthorLog({ output: process.stdout, messages: process.stderr, paint, folder });
    const { serverLog } = log;
    server = await startAuthorServer({ config, workerDebugger, serverLog, version, signal: giveUp.signal });
    const { addresses } = server;
    log.say(
      `predictions ${addresses.inference}, management ${addresses.management}, metrics ${addresses.metrics ?? 'off'}`,
    );
    if (config.inferenceAddress !== settings.inferenceAddress)
      log.say(`${paint.messages.yellow('!')} the default ports are in use, so these are the next that are free`);
    if (workerDebugger !== undefined) log.say(debuggerNotice(workerDebugger));
    const running = server;
    const onFirstAnswer = async (name: string) => log.say(await hintsFor(running, name));
    const isSingleFile = file !== undefined;
    session = new DevSession({
      path,
      isSingleFile,
      server,
      log,
      paint: paint.messages,
      workerDebugger,
      onFirstAnswer,
    });
    const current = session;
    const watched = { folder, file, ignored: flags.ignore ?? [] };
    watch = await FolderWatch.open(watched, {
      onChange: (changed) => current.touched(changed),
      onError: (error) => log.say(`${paint.messages.yellow('!')} cannot watch: ${error.message}`),
    });
    void session.start().then(() => {
      if (!giveUp.signal.aborted) log.say(paint.messages.dim(`watching ${file ?? folder}; Ctrl-C ends`));
    });
    await stopping;
  } catch (error) {
    if (!giveUp.signal.aborted) {
      process.stderr.write(`sconce: ${failureText(error)}\n`);
      process.exitCode = 1;
    }
  }
  await watch?.close();
  // The server's end is what ends a load that is under way.
  await Promise.all([session?.close(), server?.stop(GRACE_MS)]);
  process.exit();
}

/** Resolves with the first signal that asks for an end; a second one ends at once. */
function stopSignal(giveUp: AbortController): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = () => {
      if (giveUp.signal.aborted) process.exit(1);
      giveUp.abort();
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}

async function hintsFor(server: RunningServer, name: string): Promise<string> {
  // Nothing of it can be asked over a socket file in one line of curl.
  if (!server.addresses.management.startsWith('http')) return '';
  const { firstSteps } = await import('../first-steps.ts');
  return (await firstSteps(server, name)) ?? '';
}
