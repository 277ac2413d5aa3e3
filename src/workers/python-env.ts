// The environment of a Python worker: what the server's own has, plus where modules are found. Order of PYTHONPATH as TorchServe's
// users expect it: the operator's entries beat the archive, and both beat our `ts`.
import { delimiter, dirname } from 'node:path';

export interface PythonEnvOptions {
  readonly inherited: NodeJS.ProcessEnv;
  readonly modelDir: string;
  readonly handler: string | undefined;
  /** The folder that holds the packages sconce_worker and ts. */
  readonly packagesDir: string;
  readonly decodeInput: boolean;
}

export function pythonEnv(options: PythonEnvOptions): NodeJS.ProcessEnv {
  const { inherited, modelDir, packagesDir } = options;
  const entries = [handlerDir(options.handler), inherited['PYTHONPATH'], modelDir, packagesDir];
  return {
    ...inherited,
    PYTHONPATH: entries.filter((entry) => entry !== undefined && entry !== '').join(delimiter),
    PYTHONUNBUFFERED: '1',
    TS_DECODE_INPUT_REQUEST: String(options.decodeInput),
  };
}

/** `/a/b/h.py:fn` finds its module in `/a/b`; any other form is looked up in the archive. */
function handlerDir(handler: string | undefined): string | undefined {
  const path = handler?.includes(':') === true ? handler.slice(0, handler.indexOf(':')) : undefined;
  return path?.includes('/') === true ? dirname(path) : undefined;
}
