// The server's command run as a user runs it, for starts that are to fail: sconce-server.ts is for those that are to succeed.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What lies in the folder for temporary files and in the cache of archives afterwards. */
  readonly leftFiles: readonly string[];
}

/**
 * Runs `sconce serve` in a folder of its own with these lines as its config.properties, until it ends. `meanwhile` gets the process and its
 * folder for temporary files.
 */
export async function runServe(
  properties: readonly string[],
  args: readonly string[] = [],
  meanwhile: (child: ChildProcess, folder: string) => Promise<void> = async () => {},
): Promise<CommandResult> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-run-'));
  await writeFile(join(folder, 'config.properties'), properties.map((line) => `${line}\n`).join(''));
  const child = spawn(process.execPath, [MAIN, 'serve', ...args], {
    cwd: folder,
    env: { ...process.env, TMPDIR: folder, XDG_CACHE_HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  await meanwhile(child, folder);
  const exitCode = await ended;
  const ownFiles = ['config.properties', 'sconce', 'owners', 'digests'];
  const archives = await readdir(join(folder, 'sconce', 'archives')).catch(() => []);
  const leftFiles = [...(await readdir(folder)), ...archives].filter((name) => !ownFiles.includes(name));
  await rm(folder, { recursive: true, force: true });
  return { exitCode, stdout, stderr, leftFiles };
}
