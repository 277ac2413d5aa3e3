// Makes one Python environment in an empty folder: a virtual environment or a folder of packages, with what a model's requirements name. Where
// it lies and who else needs it is python-environments' business.
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { ServingError } from '../core/errors.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { Clock } from '../core/ports.ts';
import { type CommandEnd, runCommand } from './command-run.ts';
import type { OrphanGuard } from './orphan-guard.ts';

/** How environments are made, whatever the model. */
export interface BuildSettings {
  /** The interpreter for which packages are installed. */
  readonly python: string;
  /** The only folder in which pip looks for packages; undefined for pip's own configuration. */
  readonly wheels: string | undefined;
  readonly timeoutSec: number;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly orphanGuard: OrphanGuard;
}

export interface BuildOrder {
  readonly spec: Pick<ModelSpec, 'name' | 'modelDir' | 'requirementsFile' | 'useVenv'>;
  /** An empty folder, which keeps its name. */
  readonly folder: string;
  /** Packages that a virtual environment is to see besides its own. */
  readonly siteFolders: readonly string[];
  readonly signal: AbortSignal;
  onLine(line: string): void;
}

const TAIL_LINES = 12;
/** Names the packages of the parent: those of a virtual environment itself come before them. */
const INHERIT = `
import site, sys
with open(site.getsitepackages()[0] + "/inherited-site-packages.pth", "w") as file:
    file.write("".join(folder + chr(10) for folder in sys.argv[1:]))
`;

/** The interpreter of a virtual environment in `folder`. */
export function venvPython(folder: string): string {
  return join(folder, 'venv', 'bin', 'python');
}

/** The packages in `folder`, where there is no virtual environment. */
export function packagesFolder(folder: string): string {
  return join(folder, 'packages');
}

/** Builds. What was printed stays in `install.log` of the folder. Throws ENVIRONMENT_FAILED, and the signal's reason. */
export async function buildEnvironment(settings: BuildSettings, order: BuildOrder): Promise<void> {
  const { env, clock, orphanGuard, timeoutSec } = settings;
  const { spec, folder } = order;
  const giveUp = new AbortController();
  const timer = clock.after(timeoutSec * 1000, () => giveUp.abort(timedOut(spec, timeoutSec)));
  const output = createWriteStream(join(folder, 'install.log'));
  // A disk that does not take this takes no packages either.
  output.on('error', (error) => giveUp.abort(diskFailure(spec.name, error)));
  const temporary = join(folder, 'tmp');
  const run = (command: string, args: readonly string[]) =>
    runCommand({
      command,
      args,
      // Relative paths in requirements start at the model's folder.
      cwd: spec.modelDir,
      env: { ...env, TMPDIR: temporary, PYTHONUNBUFFERED: '1' },
      clock,
      orphanGuard,
      output,
      signal: AbortSignal.any([order.signal, giveUp.signal]),
      onLine: order.onLine,
    });
  try {
    await mkdir(temporary);
    if (spec.useVenv) await createVenv(settings.python, order, run);
    if (spec.requirementsFile !== undefined) await install(settings, order, spec.requirementsFile, run);
    else await mkdir(packagesFolder(folder), { recursive: true });
  } finally {
    timer.cancel();
    output.end();
    await finished(output).catch(() => {});
    await rm(temporary, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The failure that an error of the disk stands for; every other error as it is. */
export function diskFailure(model: string, error: unknown): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return error;
  const hint = error.code === 'ENOSPC' ? 'The disk of cache_dir is full.' : 'Look at environments in cache_dir.';
  const message = `The Python packages of the model could not be written (${error.code}). ${hint}`;
  return new ServingError('ENVIRONMENT_FAILED', message, { model, hint }, error);
}

type Run = (command: string, args: readonly string[]) => Promise<CommandEnd>;

/** Without a pip of its own, since that of the parent does as well: it is much quicker, and works where ensurepip is missing. */
async function createVenv(python: string, { spec, folder, siteFolders }: BuildOrder, run: Run): Promise<void> {
  const steps: readonly (readonly [string, readonly string[]])[] = [
    [python, ['-m', 'venv', '--without-pip', join(folder, 'venv')]],
    [venvPython(folder), ['-c', INHERIT, ...siteFolders]],
  ];
  for (const [command, args] of steps) {
    const end = await run(command, args);
    if (!end.hasSucceeded) throw failed(spec, 'The virtual environment of the model could not be made', end, 'venv');
  }
}

async function install({ python, wheels }: BuildSettings, order: BuildOrder, file: string, run: Run): Promise<void> {
  const { spec, folder } = order;
  const source = wheels === undefined ? [] : ['--no-index', '--find-links', wheels];
  const target = spec.useVenv ? ['--upgrade-strategy', 'only-if-needed'] : ['--target', packagesFolder(folder)];
  const quiet = [
    '--no-input',
    '--no-color',
    '--disable-pip-version-check',
    '--progress-bar',
    'off',
    '--no-warn-script-location',
  ];
  const args = ['-m', 'pip', 'install', ...quiet, ...source, ...target, '-r', join(spec.modelDir, file)];
  const end = await run(spec.useVenv ? venvPython(folder) : python, args);
  if (!end.hasSucceeded) throw failed(spec, `The packages of ${file} could not be installed`, end, 'pip');
  // pip makes no folder for requirements that name nothing.
  await mkdir(packagesFolder(folder), { recursive: true });
}

function failed(
  { name }: BuildOrder['spec'],
  what: string,
  { reason, lastLines }: CommandEnd,
  step: 'venv' | 'pip',
): ServingError {
  const trace = lastLines.slice(-TAIL_LINES).join('\n');
  const hint = hintFor(trace);
  const advice = hint === undefined ? '' : ` ${hint}`;
  const details = { model: name, trace, value: step, ...(hint === undefined ? {} : { hint }) };
  return new ServingError('ENVIRONMENT_FAILED', `${what} (${reason}).${advice}\n${trace}`.trimEnd(), details);
}

function timedOut({ name }: BuildOrder['spec'], timeoutSec: number): ServingError {
  const hint = 'Raise environment_timeout if the packages need longer.';
  const message = `The Python packages of the model were not installed within ${timeoutSec} s. ${hint}`;
  return new ServingError('ENVIRONMENT_FAILED', message, { model: name, hint });
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [
    /No module named '?pip\b/,
    'The interpreter has no pip: install it (Debian: python3-pip), or run python -m ensurepip once.',
  ],
  [
    /No module named '?(?:venv|ensurepip)\b|ensurepip is not available/,
    'The interpreter cannot make virtual environments: install the module venv (Debian: python3-venv).',
  ],
  [
    /No matching distribution found|Could not find a version/,
    'Where pip looked there is no such version for this Python: correct the requirements, or point pip (PIP_INDEX_URL) or python_wheels at a place that has it.',
  ],
  [
    /Temporary failure in name resolution|NewConnectionError|ConnectTimeoutError|ProxyError/,
    'pip cannot reach its index: without a network, name a folder of wheels in python_wheels.',
  ],
  [/THESE PACKAGES DO NOT MATCH THE HASHES/, 'A package does not have the hash that the requirements ask for.'],
  [/ResolutionImpossible|conflicting dependencies/, 'The requirements contradict each other.'],
  [/No space left on device/, 'The disk of cache_dir is full.'],
];

function hintFor(trace: string): string | undefined {
  return HINTS.find(([pattern]) => pattern.test(trace))?.[1];
}
