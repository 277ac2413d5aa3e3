// One of the commands, run as its user runs it until it ends: what it prints, and its exit status. terminal.ts is for commands that stay.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type CommandName = 'sconce' | 'torch-model-archiver' | 'torchserve';

const PROGRAMS: Readonly<Record<CommandName, string>> = {
  sconce: fileURLToPath(new URL('../../dist/main.js', import.meta.url)),
  'torch-model-archiver': fileURLToPath(new URL('../../dist/torch-model-archiver.js', import.meta.url)),
  torchserve: fileURLToPath(new URL('../../dist/torchserve.js', import.meta.url)),
};

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runCommand(name: CommandName, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const child = spawn(PROGRAMS[name], args, {
    cwd: options.cwd,
    env: { ...process.env, SOURCE_DATE_EPOCH: undefined, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
}
