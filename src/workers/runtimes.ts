// What can run a model: a table from the runtime's name to the way of starting its process.
import { fileURLToPath } from 'node:url';
import { ServingError } from '../core/errors.ts';
import type { ModelSpec, RuntimeName } from '../core/model-spec.ts';
import { pythonEnv } from './python-env.ts';
import type { Launch } from './worker-process.ts';

/** Server settings that runtimes need. */
export interface RuntimeSettings {
  /** The interpreter for Python workers: a path or a command on PATH. */
  readonly python: string;
  readonly decodeInput: boolean;
  readonly env: NodeJS.ProcessEnv;
}

type Runtime = (spec: ModelSpec, settings: RuntimeSettings) => Launch;

const PYTHON_PACKAGES_DIR = fileURLToPath(new URL('../../python', import.meta.url));

const RUNTIMES: Readonly<Partial<Record<RuntimeName, Runtime>>> = {
  python: (spec, settings) => ({
    command: settings.python,
    args: ['-u', '-m', 'sconce_worker'],
    cwd: spec.modelDir,
    env: pythonEnv({
      inherited: settings.env,
      modelDir: spec.modelDir,
      handler: spec.handler,
      packagesDir: PYTHON_PACKAGES_DIR,
      decodeInput: settings.decodeInput,
    }),
  }),
};

/** How to start a worker for this model. Fails with INVALID_RUNTIME for a runtime that this release does not have. */
export function launchFor(spec: ModelSpec, settings: RuntimeSettings): Launch {
  const runtime = RUNTIMES[spec.runtime];
  if (runtime !== undefined) return runtime(spec, settings);
  const known = Object.keys(RUNTIMES).join(', ');
  throw new ServingError('INVALID_RUNTIME', `This release has no runtime "${spec.runtime}"; it has: ${known}.`, {
    parameter: 'runtime',
    value: spec.runtime,
  });
}
