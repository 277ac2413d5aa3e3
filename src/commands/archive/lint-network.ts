// Lints the settings of a network that is served without code: the sections onnx, image and classification of model-config.yaml, and the
// labels in index_to_name.json. They are read by the worker's own readers, so lint refuses what loading would refuse.
import type { ArchiveContent } from '../../archive/content.ts';
import { plainPath } from '../../archive/entry-path.ts';
import type { Manifest } from '../../archive/manifest.ts';
import type { NetworkTensor } from '../../archive/onnx-signature.ts';
import { parseModelConfig } from '../../config/model-config.ts';
import { ServingError } from '../../core/errors.ts';
import { isTensorDatatype } from '../../core/model-signature.ts';
import { findBatchAxes } from '../../runtime-node/batch-axis.ts';
import { CLASSIFICATION_KEYS, classification, parseLabels } from '../../runtime-node/classify.ts';
import { IMAGE_KEYS, imageSettings } from '../../runtime-node/image-settings.ts';
import { LoadError } from '../../runtime-node/load-error.ts';
import { type OnnxSettings, onnxSettings } from '../../runtime-node/onnx-settings.ts';
import { SettingsSection } from '../../runtime-node/settings-section.ts';
import type { TensorSpec } from '../../runtime-node/tensor-spec.ts';
import { type Finding, finding } from './finding.ts';
import { lineOfKey } from './line-of-key.ts';

const LABELS = 'index_to_name.json';
/** How the readers' messages begin, whatever the file is called. */
const PREFIX = /^model-config\.yaml: /;

interface Tensors {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** `network` is the path of the file that is served. What is wrong with the network itself is told elsewhere. */
export async function lintNetworkSettings(
  content: ArchiveContent,
  { configFile }: Pick<Manifest, 'configFile'>,
  network: string | undefined,
): Promise<Finding[]> {
  const text = configFile === undefined ? undefined : content.texts.get(plainPath(configFile));
  if (configFile === undefined || text === undefined) return [];
  const record = await recordOf(text);
  const findings: Finding[] = [];
  const attempt = <T>(read: () => T): T | undefined => {
    try {
      return read();
    } catch (thrown) {
      if (!(thrown instanceof LoadError)) throw thrown;
      findings.push(findingOf(thrown, configFile, text));
      return undefined;
    }
  };
  const settings = attempt(() => onnxSettings({ modelConfig: record, threads: 1 }));
  const { image, classification: classes } = record;
  const labels = classes === undefined ? undefined : content.texts.get(LABELS);
  const names = labels === undefined ? undefined : attempt(() => parseLabels(labels));
  const tensors = tensorsOf(content, network, settings);
  if (tensors === undefined) return findings;
  const { inputs, outputs } = tensors;
  if (image !== undefined) attempt(() => imageSettings(new SettingsSection('image', image, IMAGE_KEYS), inputs));
  if (classes !== undefined) {
    attempt(() => classification(new SettingsSection('classification', classes, CLASSIFICATION_KEYS), names, outputs));
  }
  return findings;
}

interface Sections {
  readonly [key: string]: unknown;
  readonly image?: unknown;
  readonly classification?: unknown;
}

/** {} for a file that the parser refuses, which lint-config.ts tells. */
async function recordOf(text: string): Promise<Sections> {
  try {
    return (await parseModelConfig(text, 'ignore')).record ?? {};
  } catch (thrown) {
    if (thrown instanceof ServingError) return {};
    throw thrown;
  }
}

/** The tensors as the worker sees them; undefined for a network that no worker could load. */
function tensorsOf(
  { networks }: ArchiveContent,
  network: string | undefined,
  settings: OnnxSettings | undefined,
): Tensors | undefined {
  const signature = network === undefined ? undefined : networks.get(plainPath(network));
  if (signature === undefined || typeof signature === 'string') return undefined;
  const inputs = signature.inputs.flatMap(specOf);
  const outputs = signature.outputs.flatMap(specOf);
  if (inputs.length !== signature.inputs.length || outputs.length !== signature.outputs.length) return undefined;
  const axes = findBatchAxes(inputs, outputs, settings?.batchAxis ?? 'auto');
  return {
    inputs: inputs.map((spec, index) => ({ ...spec, batchAxis: axes.inputs[index] })),
    outputs: outputs.map((spec, index) => ({ ...spec, batchAxis: axes.outputs[index] })),
  };
}

function specOf({ name, datatype, shape }: NetworkTensor): TensorSpec[] {
  if (!isTensorDatatype(datatype)) return [];
  return [
    {
      name,
      datatype,
      shape: shape.map((size) => (typeof size === 'number' ? size : -1)),
      dimensions: shape.map((size) => (size === '?' ? '' : size)),
      batchAxis: undefined,
    },
  ];
}

function findingOf({ message }: LoadError, configFile: string, text: string): Finding {
  if (!PREFIX.test(message)) return finding('error', LABELS, message.replace(`${LABELS} `, 'It '));
  const said = message.replace(PREFIX, '');
  const [key = ''] = /^[\w.]+/.exec(said) ?? [];
  return finding('error', configFile, said, lineOfKey(text, key));
}
