// ONNX files that come without a manifest: the file itself is the model.
import { readdir } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isModelName } from '../core/model-name.ts';
import type { Archive } from './archive.ts';
import type { Manifest } from './manifest.ts';

/** A plain `.onnx` file of the model store, served in place. It is called like its file; a link to one, like the link. */
export function networkArchive(url: string, path: string): Archive {
  const name = basename(url.includes('://') ? path : url, '.onnx').replaceAll(/[^A-Za-z0-9_.-]/g, '_');
  const manifest: Manifest = {
    createdOn: undefined,
    description: undefined,
    archiverVersion: undefined,
    runtime: 'onnx',
    modelName: isModelName(name) ? name : undefined,
    modelVersion: '1.0',
    handler: undefined,
    serializedFile: basename(path),
    modelFile: undefined,
    requirementsFile: undefined,
    configFile: undefined,
  };
  return { url, modelDir: dirname(path), manifest, configText: undefined, release: async () => undefined };
}

/** The manifest, naming the only `.onnx` file of the archive where neither a handler nor weights are named. */
export async function withNetwork(manifest: Manifest, modelDir: string): Promise<Manifest> {
  if (manifest.handler !== undefined || manifest.serializedFile !== undefined) return manifest;
  const [only, ...others] = (await readdir(modelDir)).filter((name) => name.endsWith('.onnx'));
  return only !== undefined && others.length === 0 ? { ...manifest, serializedFile: only } : manifest;
}
