// A real server process for tests: the built command, on ports that the system chooses, in folders of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface ServerOptions {
  readonly modelStore?: string;
  /** More lines of config.properties. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** How many files and sockets the server may have open. */
  readonly openFiles?: number;
}

/** One line of the server's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

export interface TestServer {
  readonly inference: string;
  readonly management: string;
  readonly metrics: string;
  readonly pid: number;
  readonly process: ChildProcess;
  /** The folder that the server has for temporary files. */
  readonly tmp: string;
  /** Its cache, unless a setting names another one. */
  readonly cache: string;
  readonly log: readonly LogLine[];
  /** Resolves with the first log line, past or future, that fits. */
  waitForLog(fits: (line: LogLine) => boolean): Promise<LogLine>;
  /** Ends the server as a signal would, and gives its exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts a server and resolves when it answers; rejects with what it printed when it does not start. */
export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-test-'));
  const caches = await mkdtemp(join(tmpdir(), 'sconce-test-caches-'));
  const removeFolders = () => Promise.all([folder, caches].map((path) => rm(path, { recursive: true, force: true })));
  const settings = {
    inference_address: 'http://127.0.0.1:0',
    management_address: 'http://127.0.0.1:0',
    metrics_address: 'http://127.0.0.1:0',
    ...(options.modelStore === undefined ? {} : { model_store: options.modelStore }),
    ...options.settings,
  };
  const file = join(folder, 'config.properties');
  await writeFile(
    file,
    Object.entries(settings)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const command = [process.execPath, MAIN, 'serve', '--ts-config', file, ...(options.args ?? [])];
  const limits = options.openFiles === undefined ? '' : `ulimit -n ${options.openFiles};`;
  const child = spawn('sh', ['-c', `${limits} exec "$0" "$@"`, ...command], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder, XDG_CACHE_HOME: caches, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: LogLine[] = [];
  const watchers = new Set<(line: LogLine) => void>();
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parseLine(text);
    log.push(line);
    for (const watcher of watchers) watcher(line);
  });
  const waitForLog = (fits: (line: LogLine) => boolean) =>
    new Promise<LogLine>((resolve) => {
      const known = log.find(fits);
      if (known !== undefined) return resolve(known);
      const watcher = (line: LogLine) => {
        if (!fits(line)) return;
        watchers.delete(watcher);
        resolve(line);
      };
      watchers.add(watcher);
    });
  const exited = once(child, 'exit');
  const started = await Promise.race([waitForLog((line) => line.msg === 'Model server started.'), exited]);
  if (Array.isArray(started)) {
    await removeFolders();
    throw new Error(`the server ended with ${String(started[0])} instead of starting: ${errors}`);
  }
  return {
    inference: String(started['inference']),
    management: String(started['management']),
    metrics: String(started['metrics']),
    pid: child.pid ?? -1,
    process: child,
    tmp: folder,
    cache: join(caches, 'sconce'),
    log,
    waitForLog,
    stop: async (signal = 'SIGTERM') => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await exited;
      await removeFolders();
      return child.exitCode;
    },
  };
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { msg: text };
  }
}
