// Lints MAR-INF/MANIFEST.json field by field, where the server stops at the first that it cannot use.
import type { ArchiveContent } from '../../archive/content.ts';
import { pathProblem, plainPath, quoted } from '../../archive/entry-path.ts';
import { type Manifest, parseManifest } from '../../archive/manifest.ts';
import { MANIFEST_PATH } from '../../archive/pack-list.ts';
import { DEFAULT_UNPACK_LIMITS } from '../../archive/unpack-limits.ts';
import { findRuntime, RUNTIME_WORDS } from '../../config/runtime-name.ts';
import { closestWord, didYouMean } from '../../core/did-you-mean.ts';
import { ServingError } from '../../core/errors.ts';
import { isModelName, isModelVersion, MODEL_NAME_RULE, MODEL_VERSION_RULE } from '../../core/model-name.ts';
import { type Finding, finding } from './finding.ts';

export interface CheckedManifest {
  /** Undefined when the archive has none, or none that the server would take. */
  readonly manifest: Manifest | undefined;
  readonly findings: readonly Finding[];
}

const FILE_FIELDS = ['serializedFile', 'modelFile', 'requirementsFile', 'configFile'] as const;
const MODEL_FIELDS: readonly string[] = [
  'modelName',
  'modelVersion',
  'description',
  'handler',
  'runtime',
  ...FILE_FIELDS,
];
/** Keys that archivers write or wrote, and that mean nothing to the server. */
const OTHER_MODEL_FIELDS = ['version', 'envelope', 'extensions', 'sourceVocab'];
const TOP_FIELDS: readonly string[] = ['createdOn', 'description', 'archiverVersion', 'runtime'];
const OTHER_TOP_FIELDS = ['model', 'modelServerVersion', 'implementationVersion', 'specificationVersion', 'workflow'];

export function lintManifest(content: ArchiveContent): CheckedManifest {
  const text = content.texts.get(MANIFEST_PATH);
  if (text === undefined) return { manifest: undefined, findings: [absent(content)] };
  let manifest: Manifest | undefined;
  let refusal: Finding[] = [];
  try {
    manifest = parseManifest(text);
  } catch (thrown) {
    if (!(thrown instanceof ServingError)) throw thrown;
    refusal = [problem(thrown.message.replace(`${MANIFEST_PATH}: `, ''))];
  }
  const fields = fieldFindings(text);
  const findings = fields.some(({ severity }) => severity === 'error') ? fields : [...refusal, ...fields];
  if (manifest === undefined) return { manifest, findings };
  return { manifest, findings: [...findings, ...valueFindings(manifest), ...fileFindings(manifest, content)] };
}

function absent(content: ArchiveContent): Finding {
  if (content.entries.some(({ path }) => path === MANIFEST_PATH)) {
    return problem('It is larger than 1 MiB, which is refused.');
  }
  const networks = content.entries.filter(({ path }) => path.endsWith('.onnx') && !path.includes('/'));
  if (networks.length === 1) {
    return finding(
      'note',
      undefined,
      `There is no ${MANIFEST_PATH}: the only .onnx file is served, under the name that its registration gives.`,
    );
  }
  return finding(
    'warning',
    undefined,
    `There is no ${MANIFEST_PATH}: the registration has to give model_name and handler. "sconce archive create" writes one.`,
  );
}

/** Findings about the JSON itself; none when it does not parse, which the server's own message tells better. */
function fieldFindings(text: string): Finding[] {
  const whole = recordOf(parsed(text));
  if (whole === undefined) return [];
  const model = recordOf(whole['model']);
  const top = section(whole, '', TOP_FIELDS, OTHER_TOP_FIELDS);
  return model === undefined ? top : [...top, ...section(model, 'model.', MODEL_FIELDS, OTHER_MODEL_FIELDS)];
}

function section(
  record: Readonly<Record<string, unknown>>,
  prefix: string,
  known: readonly string[],
  others: readonly string[],
): Finding[] {
  return Object.entries(record).flatMap(([key, value]) => {
    const field = prefix + key;
    if (!known.includes(key)) {
      const hint = others.includes(key) ? '' : didYouMean(key, known);
      return hint === '' ? [] : [finding('warning', MANIFEST_PATH, `${quoted(field)} is ignored${hint}`)];
    }
    if (value !== null && typeof value !== 'string') {
      return [problem(`${field}: expected a text, found ${JSON.stringify(value).slice(0, 60)}. Write it in quotes.`)];
    }
    const isFile = FILE_FIELDS.some((one) => one === key);
    const wrong = isFile && value !== null && value !== '' ? pathProblem(value, DEFAULT_UNPACK_LIMITS) : undefined;
    return wrong === undefined
      ? []
      : [problem(`${field}: ${quoted(String(value))} ${wrong}. Name a file of the archive.`)];
  });
}

function valueFindings({ modelName, modelVersion, runtime }: Manifest): Finding[] {
  const findings: Finding[] = [];
  if (modelName === undefined) {
    findings.push(
      finding('warning', MANIFEST_PATH, 'model.modelName: there is none; the registration has to give model_name.'),
    );
  } else if (!isModelName(modelName)) {
    findings.push(
      problem(`model.modelName: ${quoted(modelName)} is no name for a model: expected ${MODEL_NAME_RULE}.`),
    );
  }
  if (!isModelVersion(modelVersion) || modelVersion === 'all') {
    findings.push(
      problem(
        `model.modelVersion: ${quoted(modelVersion)} is no version: expected ${MODEL_VERSION_RULE}, and not "all".`,
      ),
    );
  }
  if (runtime !== undefined && findRuntime(runtime, true) === undefined) {
    findings.push(problem(`runtime: ${quoted(runtime)} is none of ${RUNTIME_WORDS}.`));
  }
  return findings;
}

function fileFindings(manifest: Manifest, content: ArchiveContent): Finding[] {
  const paths = content.entries.map(({ path }) => plainPath(path));
  return FILE_FIELDS.flatMap((field) => {
    const name = manifest[field];
    if (name === undefined || paths.includes(plainPath(name))) return [];
    const closest = closestWord(name, paths);
    const advice = closest === undefined ? 'Add the file, or correct the name.' : `Is it ${quoted(closest)}?`;
    return [problem(`model.${field}: the archive has no file ${quoted(name)}. ${advice}`)];
  });
}

function problem(message: string): Finding {
  return finding('error', MANIFEST_PATH, message);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Readonly<Record<string, unknown>>;
}
