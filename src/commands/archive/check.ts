// All that lint checks, in one go over the content of an archive. Each kind of check has a file of its own.
import type { ArchiveContent } from '../../archive/content.ts';
import { plainPath } from '../../archive/entry-path.ts';
import type { Manifest } from '../../archive/manifest.ts';
import { MANIFEST_PATH } from '../../archive/pack-list.ts';
import { findRuntime } from '../../config/runtime-name.ts';
import { type Finding, finding } from './finding.ts';
import { BUILT_IN_HANDLERS } from './handler-names.ts';
import { lintConfig } from './lint-config.ts';
import { lintManifest } from './lint-manifest.ts';
import { lintNames } from './lint-names.ts';

/** The findings; none when there is nothing to say. `python` is the interpreter that reads Python files. */
export async function checkContent(content: ArchiveContent, python: string): Promise<Finding[]> {
  const networks = lintNetworks(content);
  if (content.format === 'file') return networks;
  const { manifest, findings } = lintManifest(content);
  const config = await lintConfig(content, manifest);
  const handler = await lintHandler(content, manifest, python);
  return [...findings, ...config, ...handler, ...networks, ...lintNames(content)];
}

function lintNetworks({ networks }: ArchiveContent): Finding[] {
  return [...networks].flatMap(([path, signature]) =>
    typeof signature === 'string' ? [finding('error', path, `The file ${signature}. Export it again.`)] : [],
  );
}

async function lintHandler(
  content: ArchiveContent,
  manifest: Manifest | undefined,
  python: string,
): Promise<Finding[]> {
  const runtime = findRuntime(manifest?.runtime ?? 'python', true);
  if (manifest === undefined || runtime === undefined) {
    const { lintPython } = await import('./lint-python.ts');
    return lintPython(content, undefined, python);
  }
  if (runtime === 'node') {
    const { lintNode } = await import('./lint-node.ts');
    return lintNode(content, manifest.handler);
  }
  if (isNetworkAlone(content, manifest, runtime)) {
    const { lintNetworkSettings } = await import('./lint-network.ts');
    const network = manifest.serializedFile ?? rootNetworks(content)[0];
    return [...networkFindings(content, manifest), ...(await lintNetworkSettings(content, manifest, network))];
  }
  const { lintPython } = await import('./lint-python.ts');
  const inPython = await lintPython(content, manifest.handler, python);
  return [...absentHandler(manifest), ...absentWeights(manifest), ...inPython];
}

/** An ONNX file without a handler is served as it is, whatever the runtime is called. */
function isNetworkAlone(content: ArchiveContent, { handler, serializedFile }: Manifest, runtime: string): boolean {
  if (runtime === 'onnx') return true;
  if (handler !== undefined) return false;
  return serializedFile?.endsWith('.onnx') ?? rootNetworks(content).length === 1;
}

function networkFindings(content: ArchiveContent, { serializedFile }: Manifest): Finding[] {
  if (serializedFile !== undefined) {
    const isThere = content.entries.some(({ path }) => plainPath(path) === plainPath(serializedFile));
    const isNetwork = !isThere || serializedFile.endsWith('.onnx');
    return isNetwork
      ? []
      : [
          finding(
            'warning',
            MANIFEST_PATH,
            `model.serializedFile: ${serializedFile} is not called .onnx. Is it an ONNX network?`,
          ),
        ];
  }
  const found = rootNetworks(content);
  if (found.length === 1) return [];
  const has = found.length === 0 ? 'no .onnx file' : `several .onnx files (${found.join(', ')})`;
  return [
    finding(
      'error',
      MANIFEST_PATH,
      `model.serializedFile: there is none, and the archive has ${has}. Name the network.`,
    ),
  ];
}

function rootNetworks(content: ArchiveContent): string[] {
  return content.entries.map(({ path }) => path).filter((path) => path.endsWith('.onnx') && !path.includes('/'));
}

function absentHandler({ handler }: Manifest): Finding[] {
  if (handler !== undefined) return [];
  return [
    finding(
      'error',
      MANIFEST_PATH,
      'model.handler: there is none, so the model has no code. Name a file of the archive or a built-in handler.',
    ),
  ];
}

function absentWeights({ handler, serializedFile, modelFile }: Manifest): Finding[] {
  if (handler === undefined || !BUILT_IN_HANDLERS.has(handler)) return [];
  if (serializedFile !== undefined || modelFile !== undefined) return [];
  return [
    finding('warning', MANIFEST_PATH, `model.serializedFile: there is none, which the handler ${handler} loads.`),
  ];
}
