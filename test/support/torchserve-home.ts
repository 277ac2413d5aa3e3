// A folder in which somebody works with TorchServe's commands: these and `sconce` on the PATH, a config.properties that
// leaves the ports to the system, a model store, and a folder of temporary files of its own, so that servers of other tests are not seen.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { untilGone } from './processes.ts';
import { type RunResult, runCommand } from './run-command.ts';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

export const FREE_PORTS = ['inference_address', 'management_address', 'metrics_address']
  .map((key) => `${key}=http://127.0.0.1:0\n`)
  .join('');

/** Answers every request with this text. */
export function answeringHandler(text: string): string {
  return `def handle(data, context):\n    return data and [${JSON.stringify(text)}] * len(data)\n`;
}

/** What a start in the background prints about its server. */
export interface StartedServer {
  readonly inference: string;
  readonly management: string;
  readonly metrics: string;
  readonly pid: number;
}

export interface ForegroundServer {
  readonly process: ChildProcess;
  /** The exit code, once all that it printed is here. */
  readonly ended: Promise<number | null>;
}

export class TorchserveHome {
  /** A real path. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;

  private constructor(folder: string) {
    this.folder = folder;
    this.env = {
      PATH: `${join(folder, 'bin')}${delimiter}${process.env['PATH']}`,
      TMPDIR: this.tmp,
      XDG_CACHE_HOME: join(folder, 'caches'),
      SOURCE_DATE_EPOCH: '0',
    };
  }

  static async create(): Promise<TorchserveHome> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'sconce-torchserve-')));
    for (const name of ['bin', 'tmp', 'model_store']) await mkdir(join(folder, name));
    for (const name of ['torchserve', 'torch-model-archiver']) {
      await symlink(join(DIST, `${name}.js`), join(folder, 'bin', name));
    }
    await symlink(join(DIST, 'main.js'), join(folder, 'bin', 'sconce'));
    const home = new TorchserveHome(folder);
    await home.write('config.properties', `${FREE_PORTS}default_workers_per_model=1\n`);
    return home;
  }

  get tmp(): string {
    return join(this.folder, 'tmp');
  }

  get store(): string {
    return join(this.folder, 'model_store');
  }

  get pidFile(): string {
    return join(this.tmp, '.model_server.pid');
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    await writeFile(join(this.folder, name), content);
  }

  read(name: string): Promise<string> {
    return readFile(join(this.folder, name), 'utf8');
  }

  /** Packs a handler into the model store. */
  async archive(name: string, handler: string, version = '1.0', exportName = name): Promise<void> {
    await this.write(`${name}_handler.py`, handler);
    const flags = ['--model-name', name, '--version', version, '--handler', `${name}_handler.py`, '--force'];
    const result = await runCommand('torch-model-archiver', [...flags, '--export-path', this.folder], this.#options());
    if (result.exitCode !== 0) throw new Error(result.stderr);
    await rename(join(this.folder, `${name}.mar`), join(this.store, `${exportName}.mar`));
  }

  /** Runs `torchserve` until it ends. */
  run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
    return runCommand('torchserve', args, this.#options(env));
  }

  /** Starts a server in the background; throws what was printed when that fails. */
  async start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<StartedServer & RunResult> {
    const result = await this.run(['--start', ...args], env);
    const printed =
      /^Model server started\.\nInference (\S+), management (\S+), metrics (\S+); process (\d+), log \S+\n$/m.exec(
        result.stdout,
      );
    if (result.exitCode !== 0 || printed === null) throw new Error(`${result.stdout}\n${result.stderr}`);
    const [, inference = '', management = '', metrics = '', pid] = printed;
    return { ...result, inference, management, metrics, pid: Number(pid) };
  }

  /** Starts the command and leaves it running. */
  spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return spawn(join(this.folder, 'bin', 'torchserve'), args, {
      cwd: this.folder,
      env: { ...process.env, ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Starts a server in the foreground, and resolves when it has printed the line that scripts wait for. */
  async serve(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<ForegroundServer> {
    const process = this.spawn(['--foreground', ...args], env);
    const ended = once(process, 'close').then(([code]) => code as number | null);
    const printed = { stdout: '', stderr: '' };
    const started = new Promise<'started'>((resolve) => {
      process.stdout.setEncoding('utf8').on('data', (text: string) => {
        printed.stdout += text;
        if (/^Model server started\.$/m.test(printed.stdout)) resolve('started');
      });
    });
    process.stderr.setEncoding('utf8').on('data', (text: string) => {
      printed.stderr += text;
    });
    const first = await Promise.race([started, ended]);
    if (first !== 'started') throw new Error(`the server ended with ${first}: ${printed.stdout}\n${printed.stderr}`);
    return { process, ended };
  }

  /** What a shell prints that runs this script here. */
  async shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const options = { cwd: this.folder, env: { ...process.env, ...this.env, ...env } };
    return (await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], options)).stdout;
  }

  /** Ends the server, if there is one, and removes everything. */
  async close(): Promise<void> {
    const pid = Number(await readFile(this.pidFile, 'utf8').catch(() => '0'));
    if (pid > 1 && pid !== process.pid) {
      await this.run(['--stop', '--foreground']);
      await untilGone(pid);
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  #options(env: Readonly<Record<string, string>> = {}) {
    return { cwd: this.folder, env: { ...this.env, ...env } };
  }
}
