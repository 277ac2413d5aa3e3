// The environment of a Python worker: what the server's own has, plus where modules are found. Order of PYTHONPATH as TorchServe's
// users expect it: the operator's entries beat the archive, the archive beats what was installed for it, and all beat our `ts`.
import { delimiter, dirname } from 'node:path';
import { type SequenceHeaderNames, sequenceVariables } from '../core/sequence-headers.ts';

export interface PythonEnvOptions {
  readonly inherited: NodeJS.ProcessEnv;
  readonly modelDir: string;
  readonly handler: string | undefined;
  /** The packages that were installed for this model, where that is a folder. */
  readonly sitePackages: string | undefined;
  /** The folder that holds the packages sconce_worker and ts. */
  readonly packagesDir: string;
  readonly decodeInput: boolean;
  /** The headers by which requests name their sequences, as a handler's context looks them up. */
  readonly sequenceHeaders: SequenceHeaderNames;
  /** Whether handlers use Intel's extension for PyTorch. */
  readonly ipex: { readonly isEnabled: boolean; readonly isEnabledOnGpu: boolean };
}

export function pythonEnv(options: PythonEnvOptions): NodeJS.ProcessEnv {
  const { inherited, modelDir, sitePackages, packagesDir } = options;
  const entries = [handlerDir(options.handler), inherited['PYTHONPATH'], modelDir, sitePackages, packagesDir];
  return {
    // A crash in native code then tells which line of Python it came from.
    PYTHONFAULTHANDLER: '1',
    ...inherited,
    PYTHONPATH: entries.filter((entry) => entry !== undefined && entry !== '').join(delimiter),
    PYTHONUNBUFFERED: '1',
    TS_DECODE_INPUT_REQUEST: String(options.decodeInput),
    ...sequenceVariables(options.sequenceHeaders),
    TS_IPEX_ENABLE: String(options.ipex.isEnabled),
    TS_IPEX_GPU_ENABLE: String(options.ipex.isEnabledOnGpu),
  };
}

/** `/a/b/h.py:fn` finds its module in `/a/b`; any other form is looked up in the archive. */
function handlerDir(handler: string | undefined): string | undefined {
  const path = handler?.includes(':') === true ? handler.slice(0, handler.indexOf(':')) : undefined;
  return path?.includes('/') === true ? dirname(path) : undefined;
}
