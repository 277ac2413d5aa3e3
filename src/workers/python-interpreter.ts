// What must be known of a Python interpreter before packages are installed for it: which one it really is, and where it finds its own.
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { ServingError } from '../core/errors.ts';

export interface PythonInterpreter {
  /** Changes whenever packages built for it may not fit any more. */
  readonly identity: readonly string[];
  /** Folders with the packages that are installed for it. */
  readonly siteFolders: readonly string[];
}

const PROBE = `
import json, os, site, sys
folders = site.getsitepackages() if hasattr(site, "getsitepackages") else []
if site.ENABLE_USER_SITE:
    folders = [site.getusersitepackages()] + folders
print(json.dumps({
    "version": sys.version,
    "executable": os.path.realpath(sys.executable),
    "prefix": sys.prefix,
    "folders": [each for each in folders if os.path.isdir(each)],
}))
`;
const PATIENCE_MS = 60_000;

interface Probed {
  readonly version: string;
  readonly executable: string;
  readonly prefix: string;
  readonly folders: readonly string[];
}

/** Asks an interpreter about itself. Throws ENVIRONMENT_FAILED when it does not answer, and the signal's reason. */
export async function probeInterpreter(
  python: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<PythonInterpreter> {
  const { version, executable, prefix, folders } = await probe(python, env, signal);
  const { size, mtimeNs } = await stat(executable, { bigint: true });
  return { identity: [version, executable, prefix, `${size}`, `${mtimeNs}`], siteFolders: folders };
}

function probe(python: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Probed> {
  return new Promise((resolve, reject) => {
    const options = { env, cwd: '/', signal, timeout: PATIENCE_MS, killSignal: 'SIGKILL' } as const;
    execFile(python, ['-c', PROBE], options, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as Probed);
      if (signal.aborted) return reject(signal.reason);
      const why = stderr.trim().split('\n').at(-1) || error.message;
      const message = `The interpreter ${python} cannot be used: ${why} The setting python names it; Python 3.8 or later is needed.`;
      reject(new ServingError('ENVIRONMENT_FAILED', message, {}, error));
    });
  });
}
