// Runs the Python packages' own tests (python/tests) on every interpreter from 3.8 to 3.14 that this machine has. What they test is
// their own matter; here counts that no version is forgotten: one that is not here shows up as a skipped test.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

const VERSIONS = ['3.8', '3.9', '3.10', '3.11', '3.12', '3.13', '3.14'];
const TESTS_DIR = fileURLToPath(new URL('../../python/tests', import.meta.url));
/** Where versions of Python have differed before: the syntax and the types of what is imported, loading, and event loops. */
const DIFFERING = [
  'test_surface',
  'test_ts',
  'test_load',
  'test_results',
  'test_frames',
  'test_async',
  'test_envelopes',
];
const SUITE_TIMEOUT_MS = 600_000;

interface Interpreter {
  readonly path: string;
  /** Major and minor: `3.11`. */
  readonly version: string;
}

function candidates(): string[] {
  const names = [...VERSIONS.map((version) => `python${version}`), 'python3'];
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const pyenv = join(homedir(), '.pyenv', 'versions');
  const ofPyenv = existsSync(pyenv) ? readdirSync(pyenv).map((version) => join(pyenv, version, 'bin', 'python')) : [];
  const onPath = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return ['/usr/bin/python3', ...ofPyenv, ...onPath].filter((path) => existsSync(path));
}

/** The interpreters that really start, one of each version: Debian's, which may have torch, before others. */
async function interpreters(): Promise<Interpreter[]> {
  const script = 'import sys; print("%d.%d" % sys.version_info[:2]); print(sys.executable)';
  const found = new Map<string, Interpreter>();
  for (const path of new Set(candidates())) {
    const answer = await run(path, ['-c', script], { timeout: 20_000 }).catch(() => undefined);
    if (answer === undefined) continue;
    const [version = '', executable = ''] = answer.stdout.trim().split('\n');
    if (!VERSIONS.includes(version)) continue;
    if (!found.has(version)) found.set(version, { path: executable, version });
  }
  return [...found.values()];
}

const installed = await interpreters();

/** The oldest, the newest and the first found, which is Debian's, run everything; the others what differs between versions. */
const present = VERSIONS.filter((version) => installed.some((interpreter) => interpreter.version === version));
const whole = new Set([present.at(0), present.at(-1), installed.at(0)?.version]);

describe.sequential('the Python packages pass their tests', () => {
  for (const version of VERSIONS) {
    const ofVersion = installed.filter((interpreter) => interpreter.version === version);
    if (ofVersion.length === 0) it.skip(`on Python ${version}, which is not installed here`, () => {});
    for (const { path } of ofVersion) {
      it(
        `on Python ${version} (${path})`,
        async () => {
          const args = ['-W', 'error::ResourceWarning', '-m', 'unittest', 'discover', '-s', TESTS_DIR];
          if (!whole.has(version)) args.push(...DIFFERING.flatMap((name) => ['-k', name]));
          // On a machine that has other work, torch's threads would mostly wait for each other.
          const env = { ...process.env, OMP_NUM_THREADS: '1' };
          const outcome = await run(path, args, { env, timeout: SUITE_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 }).then(
            ({ stderr }) => ({ passed: true, report: stderr }),
            (error: { stderr?: string; message: string }) => ({ passed: false, report: error.stderr ?? error.message }),
          );
          expect(outcome.passed, outcome.report).toBe(true);
          // A suite that finds no tests passes, too.
          expect(Number(/Ran (\d+) tests/.exec(outcome.report)?.[1])).toBeGreaterThan(whole.has(version) ? 200 : 100);
        },
        SUITE_TIMEOUT_MS + 10_000,
      );
    }
  }

  it('on at least one interpreter', () => {
    expect(installed).not.toEqual([]);
  });
});
