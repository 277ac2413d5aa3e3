// The scratch environment: a folder in which each peer has its own Python packages, installed from PyPI as pip is configured here. It is gone
// when the bench ends, unless it was asked to stay.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { TORCH_PYTHON } from '../onnx-models.mjs';

/** So much of what pip says is told when it fails. */
const TOLD_CHARACTERS = 400;

export class Scratch {
  folder;
  #isKept;
  #removeAtExit = () => rmSync(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });

  /** @param {string} folder @param {boolean} isKept */
  constructor(folder, isKept) {
    this.folder = folder;
    this.#isKept = isKept;
    if (!isKept) process.on('exit', this.#removeAtExit);
  }

  /** @param {string | undefined} kept a folder that is used again and again */
  static async open(kept) {
    if (kept === undefined) return new Scratch(await mkdtemp(join(tmpdir(), 'sconce-bench-peers-')), false);
    await mkdir(kept, { recursive: true });
    return new Scratch(resolve(kept), true);
  }

  /**
   * Makes a virtual environment and installs packages; resolves with its folder. Fails with pip's own words.
   * @param {string} name
   * @param {readonly string[]} packages as pip takes them
   * @param {boolean} seesSystemPackages whether Debian's torch is to be found
   */
  async environment(name, packages, seesSystemPackages) {
    const folder = join(this.folder, `environment-${name}`);
    if (existsSync(join(folder, 'complete'))) return folder;
    await rm(folder, { recursive: true, force: true });
    const python = existsSync(TORCH_PYTHON) ? TORCH_PYTHON : 'python3';
    await run(python, ['-m', 'venv', ...(seesSystemPackages ? ['--system-site-packages'] : []), folder]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check', ...packages];
    await run(join(folder, 'bin', 'python'), pip);
    await mkdir(join(folder, 'complete'));
    return folder;
  }

  /** A new folder for files of one server. @param {string} name */
  room(name) {
    return mkdtemp(join(this.folder, `${name}-`));
  }

  async remove() {
    if (this.#isKept) return;
    await removeFolder(this.folder);
    process.off('exit', this.#removeAtExit);
  }
}

/** Removes a folder that a process which has just ended may still have been writing to. @param {string} folder */
export function removeFolder(folder) {
  return rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** Runs a command to its end; fails with the end of what it wrote to stderr. */
async function run(command, args) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let told = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    told = (told + text).slice(-TOLD_CHARACTERS);
  });
  const [code] = await once(child, 'close');
  if (code !== 0)
    throw new Error(`${command} ${args[1]} ${args[2]} ended with ${code}: ${told.trim().split('\n').at(-1)}`);
}
