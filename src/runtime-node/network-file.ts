// Which file of a model folder is the network.
import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { LoadError } from './load-error.ts';

/** The path of the file that the manifest names, or of the folder's only `.onnx` file. Rejects with MODEL_FILE_NOT_FOUND. */
export async function findNetworkFile(modelDir: string, modelFile: string | null): Promise<string> {
  if (modelFile === null) return onlyNetwork(modelDir);
  const path = resolve(modelDir, modelFile);
  const isOutside = relative(modelDir, path).split(sep)[0] === '..';
  const isFile = !isOutside && (await stat(path).catch(() => undefined))?.isFile() === true;
  if (isFile) return path;
  throw new LoadError(
    'MODEL_FILE_NOT_FOUND',
    `The manifest names the file ${modelFile}, which is not in the archive. ${await present(modelDir)}`,
  );
}

async function onlyNetwork(modelDir: string): Promise<string> {
  const [only, ...others] = (await readdir(modelDir)).filter((name) => name.endsWith('.onnx')).sort();
  if (only !== undefined && others.length === 0) return join(modelDir, only);
  const why = only === undefined ? 'The archive has no .onnx file.' : 'The archive has several .onnx files.';
  throw new LoadError(
    'MODEL_FILE_NOT_FOUND',
    `${why} Name the network as serializedFile in MAR-INF/MANIFEST.json. ${await present(modelDir)}`,
  );
}

async function present(modelDir: string): Promise<string> {
  const names = (await readdir(modelDir)).sort();
  return `The archive holds: ${names.slice(0, 20).join(', ')}${names.length > 20 ? ', …' : ''}.`;
}
