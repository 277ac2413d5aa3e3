// A command in a terminal, as a user has it: what it prints, Ctrl-C, its exit code, and what it leaves behind. sconce-server.ts is for
// servers whose API is what counts.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TerminalOptions {
  readonly cwd: string;
  /** Lines of the properties file beside those that leave the choice of ports to the system. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
}

export class Terminal {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #watchers = new Set<() => void>();
  /** The exit code, once all that it printed is here. */
  readonly exited: Promise<number | null>;
  stdout = '';
  stderr = '';

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    const changed = () => {
      for (const watcher of this.#watchers) watcher();
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
      changed();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
      changed();
    });
    this.exited = once(child, 'close').then(([code]) => code as number | null);
  }

  /** Runs `script` in a shell, which finds the path of the properties file in $TS_CONFIG_FILE, as the server does. */
  static async run(script: string, options: TerminalOptions): Promise<Terminal> {
    const folder = await mkdtemp(join(tmpdir(), 'sconce-terminal-'));
    const settings = {
      inference_address: 'http://127.0.0.1:0',
      management_address: 'http://127.0.0.1:0',
      metrics_address: 'http://127.0.0.1:0',
      ...options.settings,
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
    const configFile = join(folder, 'config.properties');
    await writeFile(configFile, lines.join(''));
    await mkdir(join(folder, 'tmp'));
    const child = spawn('bash', ['-euc', script], {
      cwd: options.cwd,
      env: {
        ...process.env,
        // Set for the tests; a user's terminal does not have it.
        ORT_DISABLE_TELEMETRY: undefined,
        TMPDIR: join(folder, 'tmp'),
        TS_CONFIG_FILE: configFile,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A process group of its own, which a terminal sends its signals to.
      detached: true,
    });
    return new Terminal(child, folder);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The folder for temporary files of all that runs here. */
  get tmp(): string {
    return join(this.#folder, 'tmp');
  }

  /** What `pattern` finds in everything printed, now or later; rejects when the command ends without it. */
  async find(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const change = new Promise<'changed'>((resolve) => {
        const watcher = () => {
          this.#watchers.delete(watcher);
          resolve('changed');
        };
        this.#watchers.add(watcher);
      });
      const found = pattern.exec(`${this.stdout}\n${this.stderr}`);
      if (found !== null) return found;
      const next = await Promise.race([change, this.exited]);
      if (next !== 'changed' && pattern.exec(`${this.stdout}\n${this.stderr}`) === null) {
        throw new Error(`the command ended with ${next} without printing ${pattern}: ${this.stdout}\n${this.stderr}`);
      }
    }
  }

  /** Ctrl-C: SIGINT to everything in the foreground. Gives the exit code. */
  interrupt(): Promise<number | null> {
    if (this.#isRunning()) process.kill(-this.pid, 'SIGINT');
    return this.exited;
  }

  /** The names of what lies in the folder for temporary files. */
  leftFiles(): Promise<string[]> {
    return readdir(this.tmp);
  }

  /** Ends what still runs, as closing the window does, and removes the folder. */
  async close(): Promise<void> {
    if (this.#isRunning()) process.kill(-this.pid, 'SIGHUP');
    await this.exited;
    await rm(this.#folder, { recursive: true, force: true });
  }

  #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }
}
