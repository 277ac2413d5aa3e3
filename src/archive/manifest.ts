// MAR-INF/MANIFEST.json as a typed value, and the configuration text that it names. Whether the parts make a model that can be
// served (a usable name and version, a known runtime) is decided where the request's parameters are known.
import { ServingError } from '../core/errors.ts';
import { pathProblem, plainPath, quoted } from './entry-path.ts';
import { readTextFile } from './text-file.ts';
import { DEFAULT_UNPACK_LIMITS } from './unpack-limits.ts';

const MANIFEST_PATH = 'MAR-INF/MANIFEST.json';
const DEFAULT_VERSION = '1.0';
const DEFAULT_CONFIG = 'model-config.yaml';

/** What an archive says about itself. The file names are plain relative paths inside it. */
export interface Manifest {
  readonly createdOn: string | undefined;
  readonly description: string | undefined;
  readonly archiverVersion: string | undefined;
  /** As written: `python`, `python3`, `LSP` or anything else. */
  readonly runtime: string | undefined;
  /** As written; whether a model may be called this is judged together with the name that the request gives. */
  readonly modelName: string | undefined;
  /** "1.0" when the archive does not say. */
  readonly modelVersion: string;
  readonly handler: string | undefined;
  readonly serializedFile: string | undefined;
  readonly modelFile: string | undefined;
  readonly requirementsFile: string | undefined;
  readonly configFile: string | undefined;
}

/**
 * The manifest of an unpacked archive. Without one all are defaults, and a `model-config.yaml` is the configuration: nothing else could name
 * it. Throws MANIFEST_INVALID.
 */
export async function readManifest(modelDir: string): Promise<Manifest> {
  const json = await readTextFile(modelDir, MANIFEST_PATH);
  if (json !== undefined) return parseManifest(json);
  const hasConfig = (await readTextFile(modelDir, DEFAULT_CONFIG)) !== undefined;
  return { ...parseManifest('{"model": {}}'), configFile: hasConfig ? DEFAULT_CONFIG : undefined };
}

/** The text of the configuration file that the manifest names, undefined when it names none. Throws MANIFEST_INVALID. */
export async function readConfigText(
  modelDir: string,
  manifest: Pick<Manifest, 'configFile'>,
): Promise<string | undefined> {
  if (manifest.configFile === undefined) return undefined;
  const config = await readTextFile(modelDir, manifest.configFile);
  if (config !== undefined) return config;
  throw manifestInvalid(`model.configFile: the archive has no file ${quoted(manifest.configFile)}.`);
}

/** Parses the text of a manifest; unknown keys are ignored. Throws MANIFEST_INVALID, which names the field. */
export function parseManifest(json: string): Manifest {
  const archive = new Fields('', parseJson(json));
  const modelEntry = archive.get('model');
  if (modelEntry === undefined || modelEntry === null)
    throw new ServingError('MANIFEST_INVALID', 'Missing Model entry in manifest file.');
  const model = new Fields('model', modelEntry);
  return {
    createdOn: archive.text('createdOn'),
    description: archive.text('description') ?? model.text('description'),
    archiverVersion: archive.text('archiverVersion'),
    runtime: archive.text('runtime'),
    modelName: model.text('modelName'),
    modelVersion: model.text('modelVersion') ?? DEFAULT_VERSION,
    handler: model.text('handler'),
    serializedFile: model.fileName('serializedFile'),
    modelFile: model.fileName('modelFile'),
    requirementsFile: model.fileName('requirementsFile'),
    configFile: model.fileName('configFile'),
  };
}

/** The fields of a JSON object, each read as what it has to be. */
class Fields {
  readonly #path: string;
  /** A map, so that no key means more than its name. */
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(path: string, value: unknown) {
    this.#path = path;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw manifestInvalid(`${path === '' ? '' : `${path}: `}expected an object, found ${kindOf(value)}.`);
    this.#values = new Map(Object.entries(value));
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  /** A text. null and "" mean "not given": archivers in the wild write both. */
  text(key: string): string | undefined {
    const value = this.#values.get(key);
    if (value === undefined || value === null || value === '') return undefined;
    if (typeof value === 'string') return value;
    throw manifestInvalid(`${this.#field(key)}: expected a string, found ${kindOf(value)}.`);
  }

  /** The relative path of a file inside the archive. */
  fileName(key: string): string | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const problem =
      pathProblem(value, DEFAULT_UNPACK_LIMITS) ?? (plainPath(value) === '' ? 'names a folder' : undefined);
    if (problem === undefined) return value;
    throw manifestInvalid(
      `${this.#field(key)}: ${quoted(value)} ${problem}; expected the relative path of a file inside the archive.`,
    );
  }

  #field(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}

function manifestInvalid(message: string, cause?: unknown): ServingError {
  return new ServingError('MANIFEST_INVALID', `${MANIFEST_PATH}: ${message}`, {}, cause);
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const position = /at position (\d+)/.exec(message)?.[1];
    throw manifestInvalid(
      `not valid JSON${position === undefined ? '' : place(json, Number(position))}: ${message}.`,
      cause,
    );
  }
}

function place(json: string, position: number): string {
  const lines = json.slice(0, position).split('\n');
  return ` at line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
