// MAR-INF/MANIFEST.json as a typed value, and the configuration text that it names. Whether the parts make a model that can be
// served (a usable name and version, a known runtime) is decided where the request's parameters are known.
// This module loads zod: import its functions lazily.
import { z } from 'zod';
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

// null and "" mean "not given": archivers in the wild write both.
const text = z
  .string()
  .nullish()
  .transform((value) => (value === null || value === '' ? undefined : value));

const fileName = text.superRefine((value, context) => {
  if (value === undefined) return;
  const problem = pathProblem(value, DEFAULT_UNPACK_LIMITS) ?? (plainPath(value) === '' ? 'names a folder' : undefined);
  if (problem === undefined) return;
  context.addIssue({
    code: 'custom',
    message: `${quoted(value)} ${problem}; expected the relative path of a file inside the archive`,
  });
});

const manifestSchema = z.object({
  createdOn: text,
  description: text,
  archiverVersion: text,
  runtime: text,
  model: z.object({
    modelName: text,
    modelVersion: text,
    description: text,
    handler: text,
    serializedFile: fileName,
    modelFile: fileName,
    requirementsFile: fileName,
    configFile: fileName,
  }),
});

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
  const raw = parseJson(json);
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw) && (!('model' in raw) || raw.model === null)) {
    throw new ServingError('MANIFEST_INVALID', 'Missing Model entry in manifest file.');
  }
  const parsed = manifestSchema.safeParse(raw, { reportInput: true });
  if (!parsed.success) throw manifestInvalid(describeIssue(parsed.error));
  return manifestOf(parsed.data);
}

function manifestOf({ model, ...archive }: z.output<typeof manifestSchema>): Manifest {
  return {
    createdOn: archive.createdOn,
    description: archive.description ?? model.description,
    archiverVersion: archive.archiverVersion,
    runtime: archive.runtime,
    modelName: model.modelName,
    modelVersion: model.modelVersion ?? DEFAULT_VERSION,
    handler: model.handler,
    serializedFile: model.serializedFile,
    modelFile: model.modelFile,
    requirementsFile: model.requirementsFile,
    configFile: model.configFile,
  };
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

function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'it cannot be used.';
  const field = issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  if (issue.code !== 'invalid_type') return `${field}${issue.message}.`;
  return `${field}expected ${withArticle(issue.expected)}, found ${kindOf(issue.input)}.`;
}

function withArticle(noun: string): string {
  return `${/^[aeio]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : withArticle(typeof value);
}
