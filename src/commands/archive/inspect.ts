// `sconce archive inspect`: what an archive, a folder or an .onnx file holds, for people and (--json) for machines. Nothing is unpacked, and
// nothing of it is executed.
import { stat } from 'node:fs/promises';
import type { ArchiveContent, ContentEntry } from '../../archive/content.ts';
import type { NetworkSignature, NetworkTensor } from '../../archive/onnx-signature.ts';
import { MANIFEST_PATH } from '../../archive/pack-list.ts';
import { readContent } from '../../archive/read-content.ts';
import { parseYaml, UnusableYaml } from '../../config/yaml-text.ts';
import { countText, printable, sizeText } from '../terminal/words.ts';
import { sha256Of } from './digest.ts';

interface Inspection {
  readonly path: string;
  readonly format: ArchiveContent['format'];
  /** Of the file; of all files together for a folder. */
  readonly bytes: number;
  readonly sha256: string | null;
  /** As it is written; null when there is none, a text when it is not JSON. */
  readonly manifest: unknown;
  readonly files: readonly InspectedFile[];
  /** The lines of the requirements file that the manifest names. */
  readonly requirements: readonly string[] | null;
  /** The configuration; null when there is none, a text when it is not YAML. */
  readonly config: unknown;
  readonly networks: Readonly<Record<string, NetworkSignature | { readonly error: string }>>;
}

interface InspectedFile {
  readonly path: string;
  readonly bytes: number;
  readonly packedBytes: number | null;
  readonly problem: string | null;
}

/** Throws ServingError for what cannot be read. */
export async function inspectArchive(path: string, flags: { readonly json?: boolean }): Promise<void> {
  const inspection = await inspect(path);
  const text = flags.json === true ? JSON.stringify(inspection, null, 2) : printable(summary(inspection).join('\n'));
  process.stdout.write(`${text}\n`);
}

async function inspect(path: string): Promise<Inspection> {
  const content = await readContent(path);
  const status = await stat(path);
  const manifest = json(content.texts.get(MANIFEST_PATH));
  const model = fieldsOf(fieldsOf(manifest)['model']);
  const requirements = textNamed(content, model['requirementsFile']);
  const config = textNamed(content, model['configFile'] ?? (manifest === null ? 'model-config.yaml' : undefined));
  return {
    path,
    format: content.format,
    bytes: status.isFile() ? status.size : content.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    sha256: status.isFile() ? await sha256Of(path) : null,
    manifest,
    files: content.entries.map(inspected),
    requirements: requirements === undefined ? null : requirementsIn(requirements),
    config: config === undefined ? null : await yaml(config),
    networks: Object.fromEntries(
      [...content.networks].map(([name, one]) => [name, typeof one === 'string' ? { error: one } : one]),
    ),
  };
}

function inspected({ path, sizeBytes, packedBytes, oddity }: ContentEntry): InspectedFile {
  return { path, bytes: sizeBytes, packedBytes: packedBytes ?? null, problem: oddity ?? null };
}

function textNamed(content: ArchiveContent, name: unknown): string | undefined {
  return typeof name === 'string' ? content.texts.get(name) : undefined;
}

function requirementsIn(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/(^|\s)#.*$/, '').trim());
  return lines.filter((line) => line !== '');
}

function json(text: string | undefined): unknown {
  if (text === undefined) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function yaml(text: string): Promise<unknown> {
  try {
    return await parseYaml(text);
  } catch (error) {
    if (error instanceof UnusableYaml) return text;
    throw error;
  }
}

function summary(inspection: Inspection): string[] {
  const { path, format, bytes, sha256, files } = inspection;
  const unpacked = files.reduce((sum, file) => sum + file.bytes, 0);
  const sizes =
    format === 'zip' || format === 'tar.gz' ? `${sizeText(bytes)} (${sizeText(unpacked)} unpacked)` : sizeText(bytes);
  return [
    path,
    `  ${format}, ${countText(files.length, 'file')}, ${sizes}`,
    ...(sha256 === null ? [] : [`  sha256 ${sha256}`]),
    ...manifestLines(inspection),
    ...section('Python packages', inspection.requirements ?? []),
    ...section(
      'Configuration',
      typeof inspection.config === 'string' ? ['is not YAML'] : fieldLines(inspection.config),
    ),
    ...Object.entries(inspection.networks).flatMap(([name, network]) => networkLines(name, network)),
    ...fileLines(files),
  ];
}

function manifestLines({ manifest, format }: Inspection): string[] {
  if (format === 'file') return [];
  if (manifest === null) return section('Manifest', ['there is none']);
  if (typeof manifest === 'string') return section('Manifest', ['is not JSON']);
  const { model, ...rest } = fieldsOf(manifest);
  return section('Model', fieldLines({ ...fieldsOf(model), ...rest }));
}

function networkLines(name: string, network: NetworkSignature | { readonly error: string }): string[] {
  if ('error' in network) return section(name, [`the file ${network.error}`]);
  const tensor = (kind: string) => (one: NetworkTensor) =>
    `${kind} ${one.name}: ${one.datatype} [${one.shape.join(', ')}]`;
  const opset = network.opset === undefined ? [] : [`opset  ${network.opset}`];
  const producer = network.producer === '' ? [] : [`made by  ${network.producer}`];
  return section(name, [
    ...network.inputs.map(tensor('input ')),
    ...network.outputs.map(tensor('output')),
    ...opset,
    ...producer,
  ]);
}

function fileLines(files: readonly InspectedFile[]): string[] {
  const isPacked = files.some(({ packedBytes }) => packedBytes !== null);
  const lines = files.map(({ path, bytes, packedBytes, problem }) => {
    const packed = isPacked ? ` ${sizeText(packedBytes ?? bytes).padStart(10)}` : '';
    return `${sizeText(bytes).padStart(10)}${packed}  ${path}${problem === null ? '' : `  (${problem})`}`;
  });
  return section(isPacked ? 'Files (size, packed, name)' : 'Files (size, name)', lines);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)];
}

function fieldLines(value: unknown): string[] {
  const entries = Object.entries(fieldsOf(value));
  const width = Math.max(0, ...entries.map(([key]) => key.length));
  return entries.map(([key, one]) => `${key.padEnd(width)}  ${typeof one === 'string' ? one : JSON.stringify(one)}`);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  return value as Readonly<Record<string, unknown>>;
}
