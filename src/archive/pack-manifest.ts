// The text of MAR-INF/MANIFEST.json for a new archive, as torch-model-archiver lays it out. Reading one is manifest.ts's business.
import { PackError } from './pack-error.ts';

/** What a new manifest says; undefined is left out. */
export interface NewManifest {
  readonly modelName: string;
  readonly modelVersion: string | undefined;
  readonly runtime: string;
  readonly handler: string | undefined;
  readonly serializedFile: string | undefined;
  readonly modelFile: string | undefined;
  readonly requirementsFile: string | undefined;
  readonly configFile: string | undefined;
  readonly archiverVersion: string;
  /** A manifest to build upon: its other fields are kept. */
  readonly base?: Readonly<Record<string, unknown>>;
}

/** When an archive says it was made. `isUtc` where the moment was given, so that it is told alike everywhere. */
export interface PackDate {
  readonly at: Date;
  readonly isUtc: boolean;
}

/** The moment that SOURCE_DATE_EPOCH gives (whole seconds), undefined without it. Throws PackError for anything else. */
export function sourceDate(text: string | undefined): PackDate | undefined {
  if (text === undefined || text === '') return undefined;
  const at = new Date(Number(text) * 1000);
  if (!/^\d+$/.test(text) || Number.isNaN(at.getTime())) {
    throw new PackError(`SOURCE_DATE_EPOCH: expected whole seconds since 1970, found ${JSON.stringify(text)}`);
  }
  return { at, isUtc: true };
}

/** JSON with the order of keys and the indent of torch-model-archiver. */
export function manifestText(manifest: NewManifest, created: PackDate): string {
  const base = manifest.base ?? {};
  const baseModel = recordOf(base['model']);
  const model = {
    ...without(baseModel, MODEL_KEYS),
    modelName: manifest.modelName,
    serializedFile: manifest.serializedFile,
    handler: manifest.handler,
    modelFile: manifest.modelFile,
    modelVersion: manifest.modelVersion === '' ? undefined : manifest.modelVersion,
    requirementsFile: manifest.requirementsFile,
    configFile: manifest.configFile,
  };
  const whole = {
    ...without(base, ['createdOn', 'runtime', 'model', 'archiverVersion']),
    createdOn: createdOn(created),
    runtime: manifest.runtime,
    model,
    archiverVersion: manifest.archiverVersion,
  };
  return JSON.stringify(whole, null, 2);
}

const MODEL_KEYS = [
  'modelName',
  'serializedFile',
  'handler',
  'modelFile',
  'modelVersion',
  'requirementsFile',
  'configFile',
];

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function without(record: Readonly<Record<string, unknown>>, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !keys.includes(key)));
}

function createdOn({ at, isUtc }: PackDate): string {
  const [day, month, hour, minute, second] = isUtc
    ? [at.getUTCDate(), at.getUTCMonth() + 1, at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getDate(), at.getMonth() + 1, at.getHours(), at.getMinutes(), at.getSeconds()];
  const year = isUtc ? at.getUTCFullYear() : at.getFullYear();
  return `${two(day)}/${two(month)}/${year} ${two(hour)}:${two(minute)}:${two(second)}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
