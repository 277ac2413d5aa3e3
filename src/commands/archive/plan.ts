// From a model folder, an .onnx file or a few flags to what goes into an archive and what its manifest says: names are taken from the
// manifest that is there, and guessed from the files where that leaves one answer only.
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { addExtraFiles, addFile, addFolder } from '../../archive/pack-collect.ts';
import { MissingFile, PackError } from '../../archive/pack-error.ts';
import { MANIFEST_PATH, PackList } from '../../archive/pack-list.ts';
import type { NewManifest } from '../../archive/pack-manifest.ts';
import { BUILT_IN_HANDLERS, NODE_ENDINGS, nodeHandler, pythonHandler } from './handler-names.ts';

/** What was written behind `sconce archive create` about the model. */
export interface PlanFlags {
  readonly modelName?: string;
  readonly version?: string;
  readonly handler?: string;
  readonly serializedFile?: string;
  readonly modelFile?: string;
  readonly extraFiles?: string;
  readonly requirementsFile?: string;
  readonly configFile?: string;
  readonly runtime?: string;
}

type JsonRecord = Readonly<Record<string, unknown>>;

/** A model folder, an .onnx file, or nothing but flags. */
export interface PlanSource {
  readonly folder: string | undefined;
  readonly network: string | undefined;
  /** The manifest of the folder; empty without one. */
  readonly base: JsonRecord;
  readonly modelName: string;
}

export interface ArchivePlan {
  readonly list: PackList;
  readonly manifest: NewManifest;
  /** Paths in the folder that are not packed. */
  readonly leftOut: readonly string[];
}

const DEFAULT_VERSION = '1.0';
const WEIGHT_ENDINGS: readonly string[] = ['.pt', '.pth', '.pt2', '.onnx', '.so', '.bin', '.safetensors'];

/** Looks at what is to be packed and finds its name. Throws PackError. */
export async function findSource(path: string | undefined, flags: PlanFlags): Promise<PlanSource> {
  const status = path === undefined ? undefined : await stat(path).catch(() => undefined);
  if (path !== undefined && status === undefined) throw new MissingFile('create', path);
  const folder = status?.isDirectory() === true ? path : undefined;
  const network = path?.endsWith('.onnx') === true && folder === undefined ? path : undefined;
  if (path !== undefined && folder === undefined && network === undefined) {
    throw new PackError(`${path} is neither a folder nor an .onnx file. Name the folder that holds the model's files.`);
  }
  const base = folder === undefined ? {} : await readBase(folder);
  const named = flags.modelName ?? textOf(recordOf(base['model'])['modelName']);
  const modelName = named ?? (path === undefined ? undefined : nameFrom(path));
  if (modelName === undefined) throw new PackError('--model-name: there is none. Name the model.');
  return { folder, network, base, modelName };
}

/** Collects the files and writes the manifest. `output` is the archive's own path. Throws PackError. */
export async function planArchive(
  source: PlanSource,
  flags: PlanFlags,
  output: string,
  archiverVersion: string,
): Promise<ArchivePlan> {
  const list = new PackList('refuse');
  const leftOut =
    source.folder === undefined ? [] : await addFolder(list, source.folder, { except: output, isLeftOut: isClutter });
  const base = recordOf(source.base['model']);
  const serializedFile =
    (await locate(list, source, flags.serializedFile ?? source.network, '--serialized-file')) ??
    textOf(base['serializedFile']) ??
    onlyWeights(list);
  const handler =
    (await locateHandler(list, source, flags)) ?? textOf(base['handler']) ?? foundHandler(list, serializedFile);
  const modelFile = await locate(list, source, flags.modelFile, '--model-file');
  const requirementsFile = await locate(list, source, flags.requirementsFile, '--requirements-file');
  const configFile = await locate(list, source, flags.configFile, '--config-file');
  if (flags.extraFiles !== undefined) await addExtraFiles(list, flags.extraFiles, output);
  const manifest: NewManifest = {
    modelName: source.modelName,
    modelVersion: flags.version ?? textOf(base['modelVersion']) ?? DEFAULT_VERSION,
    runtime: flags.runtime ?? textOf(source.base['runtime']) ?? runtimeOf(handler, list),
    handler,
    serializedFile,
    modelFile: modelFile ?? textOf(base['modelFile']),
    requirementsFile: requirementsFile ?? textOf(base['requirementsFile']) ?? present(list, 'requirements.txt'),
    configFile: configFile ?? textOf(base['configFile']) ?? present(list, 'model-config.yaml'),
    archiverVersion,
    base: source.base,
  };
  return { list, manifest, leftOut };
}

/** The path in the archive of a file that a flag names: in the folder, or else from the current one, at the root. */
async function locate(
  list: PackList,
  source: PlanSource,
  value: string | undefined,
  flag: string,
): Promise<string | undefined> {
  if (value === undefined) return undefined;
  if (list.has(value)) return value;
  const inFolder = list.files.find(({ source: path }) => path === resolve(value));
  if (inFolder !== undefined) return inFolder.path;
  if (source.folder !== undefined && (await stat(value).catch(() => undefined)) === undefined) {
    throw new MissingFile(flag, value, `It is neither in ${source.folder} nor in the current folder.`);
  }
  await addFile(list, value, flag);
  return basename(value);
}

/** The handler as the manifest names it, with its file packed. */
async function locateHandler(list: PackList, source: PlanSource, flags: PlanFlags): Promise<string | undefined> {
  const { handler } = flags;
  if (handler === undefined || BUILT_IN_HANDLERS.has(handler)) return handler;
  const names = [pythonHandler(handler), nodeHandler(handler)];
  const files = names.flatMap((name) => name.files);
  if (files.some((file) => list.has(file))) return handler;
  const there = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  const file = files.find((_, index) => there[index]?.isFile() === true);
  const where = source.folder === undefined ? 'the current folder' : `${source.folder} or the current folder`;
  if (file === undefined) {
    throw new MissingFile(
      '--handler',
      handler,
      `Name a file in ${where}, or one of ${[...BUILT_IN_HANDLERS].join(', ')}.`,
    );
  }
  const path = await locate(list, source, file, '--handler');
  const entryPoint = names[0]?.entryPoint;
  return path === undefined || entryPoint === undefined ? path : `${path.replace(/\.py$/, '')}:${entryPoint}`;
}

/** The only file that can be the handler; undefined for a network alone, which needs none. */
function foundHandler(list: PackList, serializedFile: string | undefined): string | undefined {
  const root = list.files.map(({ path }) => path).filter((path) => !path.includes('/'));
  const code = root.filter((path) => [...NODE_ENDINGS, '.py'].some((ending) => path.endsWith(ending)));
  const named = code.filter((path) => /^handler\.\w+$/.test(path));
  const candidates = named.length > 0 ? named : code.filter((path) => /handler\.\w+$/.test(path));
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined)
    throw new PackError(`Several files may be the handler: ${candidates.join(', ')}. Name one with --handler.`);
  if (serializedFile?.endsWith('.onnx') === true) return undefined;
  throw new PackError(
    `There is no handler: no file is called handler.py, handler.ts or …_handler.py. Name one with --handler, or one of ${[...BUILT_IN_HANDLERS].join(', ')}.`,
  );
}

function onlyWeights(list: PackList): string | undefined {
  const paths = list.files.map(({ path }) => path);
  const found = paths.filter((path) => !path.includes('/') && WEIGHT_ENDINGS.some((ending) => path.endsWith(ending)));
  if (found.length > 1) {
    list.notices.push(
      `several files may be the weights (${found.join(', ')}), so the manifest names none; --serialized-file names one`,
    );
  }
  return found.length === 1 ? found[0] : undefined;
}

function runtimeOf(handler: string | undefined, list: PackList): string {
  if (handler === undefined) return 'onnx';
  if (BUILT_IN_HANDLERS.has(handler)) return 'python';
  const isPython = pythonHandler(handler).files.some((file) => list.has(file));
  return !isPython && nodeHandler(handler).files.some((file) => list.has(file)) ? 'node' : 'python';
}

/** Hidden files, and what editors and caches leave. */
function isClutter(path: string): boolean {
  const name = basename(path);
  return name.startsWith('.') || name === 'Thumbs.db' || name.endsWith('~') || /\.(pyc|pyo|swp)$/.test(name);
}

async function readBase(folder: string): Promise<JsonRecord> {
  const text = await readFile(join(folder, MANIFEST_PATH), 'utf8').catch(() => undefined);
  if (text === undefined) return {};
  try {
    const base: unknown = JSON.parse(text.replace(/^\uFEFF/, ''));
    if (isRecord(base)) return base;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new PackError(`${join(folder, MANIFEST_PATH)}: not valid JSON: ${reason}. Correct it, or remove it.`, error);
  }
  throw new PackError(`${join(folder, MANIFEST_PATH)}: expected an object. Correct it, or remove it.`);
}

/** The folder's or file's name, as far as a model may be called so. */
function nameFrom(path: string): string | undefined {
  const name = basename(resolve(path)).replace(/\.onnx$/, '');
  return name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').replace(/^[.-]+/, '') || undefined;
}

function present(list: PackList, path: string): string | undefined {
  return list.has(path) ? path : undefined;
}

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function recordOf(value: unknown): JsonRecord {
  return isRecord(value) ? value : {};
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
