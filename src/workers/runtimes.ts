// What can run a model: a table from the runtime's name to the way of starting its process.
import { fileURLToPath } from 'node:url';
import type { ModelSpec, RuntimeName } from '../core/model-spec.ts';
import { sequenceVariables } from '../core/sequence-headers.ts';
import { debuggedLaunch, type WorkerDebugger } from './debugger.ts';
import { type PythonEnvOptions, pythonEnv } from './python-env.ts';
import type { Launch } from './worker-process.ts';

/** Server settings that runtimes need. */
export interface RuntimeSettings {
  /** The interpreter for Python workers: a path or a command on PATH. */
  readonly python: string;
  readonly decodeInput: boolean;
  readonly ipex: PythonEnvOptions['ipex'];
  readonly sequenceHeaders: PythonEnvOptions['sequenceHeaders'];
  readonly env: NodeJS.ProcessEnv;
  /** The debugger that workers start under, where there is one. */
  readonly workerDebugger?: WorkerDebugger | undefined;
}

type Runtime = (spec: ModelSpec, settings: RuntimeSettings) => Launch;

const NODE_WORKER = fileURLToPath(new URL('../runtime-node/main.js', import.meta.url));
const PYTHON_PACKAGES_DIR = fileURLToPath(new URL('../../python', import.meta.url));

const node: Runtime = (spec, settings) => ({
  command: process.execPath,
  args: ['--enable-source-maps', NODE_WORKER],
  cwd: spec.modelDir,
  advice: 'Is Node.js still where it was when the server started?',
  env: { ...settings.env, ...sequenceVariables(settings.sequenceHeaders) },
});

/** The official builds of ONNX Runtime report to Microsoft unless told not to. Whoever wants that can say so in the server's environment. */
const ENV_DEFAULTS = { ORT_DISABLE_TELEMETRY: '1' };

const RUNTIMES: Readonly<Record<RuntimeName, Runtime>> = {
  node,
  onnx: node,
  python: (spec, settings) => ({
    command: spec.environment?.python ?? settings.python,
    args: ['-u', '-m', 'sconce_worker'],
    cwd: spec.modelDir,
    advice: 'The setting "python" names the interpreter; Python 3.8 or later is needed.',
    stackSignal: 'SIGUSR1',
    env: pythonEnv({
      inherited: settings.env,
      modelDir: spec.modelDir,
      handler: spec.handler,
      sitePackages: spec.environment?.sitePackages,
      packagesDir: PYTHON_PACKAGES_DIR,
      decodeInput: settings.decodeInput,
      ipex: settings.ipex,
      sequenceHeaders: settings.sequenceHeaders,
    }),
  }),
};

/** How to start a worker for this model. */
export function launchFor(spec: ModelSpec, settings: RuntimeSettings): Launch {
  const launch = RUNTIMES[spec.runtime](spec, settings);
  const plain = { ...launch, env: { ...ENV_DEFAULTS, ...launch.env } };
  return settings.workerDebugger === undefined ? plain : debuggedLaunch(plain, settings.workerDebugger);
}
