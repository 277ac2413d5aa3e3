// A model folder as its author has it on the disk, and the command `sconce` in a terminal beside it.
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Terminal } from './terminal.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A handler in Python that answers with its version, as it was when it was loaded and as it is when it answers. */
export function versionedHandler(version: string, load = 'pass'): string {
  return `import sys, time

VERSION = "${version}"


class Handler:
    def initialize(self, context):
        self.loaded = VERSION
        ${load}

    def handle(self, data, context):
        return [{"loaded": self.loaded, "answered": VERSION} for _ in data]
`;
}

export class AuthorFolder {
  /** A real path; models are folders in it. */
  readonly path: string;
  readonly #terminals: Terminal[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  /** An empty folder, and `sconce` on the PATH of its terminals. */
  static async create(): Promise<AuthorFolder> {
    const path = await realpath(await mkdtemp(join(tmpdir(), 'sconce-author-')));
    await mkdir(join(path, 'bin'));
    await symlink(MAIN, join(path, 'bin', 'sconce'));
    return new AuthorFolder(path);
  }

  async write(file: string, text: string | Uint8Array): Promise<void> {
    await mkdir(dirname(join(this.path, file)), { recursive: true });
    await writeFile(join(this.path, file), text);
  }

  /** Runs a line of shell here. */
  async run(script: string, env: Readonly<Record<string, string>> = {}): Promise<Terminal> {
    const path = `${join(this.path, 'bin')}${delimiter}${process.env['PATH'] ?? ''}`;
    const terminal = await Terminal.run(script, { cwd: this.path, env: { PATH: path, ...env } });
    this.#terminals.push(terminal);
    return terminal;
  }

  async remove(): Promise<void> {
    for (const terminal of this.#terminals.splice(0)) await terminal.close();
    await rm(this.path, { recursive: true, force: true });
  }
}
