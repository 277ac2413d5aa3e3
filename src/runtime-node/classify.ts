// The `classification:` section of model-config.yaml: an output as labels with their probabilities, so that a classifier answers in words.
import { numberFromHalf } from './half.ts';
import { LoadError } from './load-error.ts';
import { OutputError } from './request-error.ts';
import type { SettingsSection } from './settings-section.ts';
import type { Tensor } from './tensor.ts';
import type { TensorSpec } from './tensor-spec.ts';

export interface Classification {
  readonly outputName: string;
  /** JSON of the tensor with each row of its last dimension as `{label: probability}`, the most probable first. Throws OutputError. */
  labels(tensor: Tensor): string;
}

export const CLASSIFICATION_KEYS = ['topK', 'softmax', 'output'] as const;

const DEFAULT_TOP_K = 5;

/** `labels` are by class index, undefined for a model without them. Throws LoadError. */
export function classification(
  section: SettingsSection,
  labels: readonly (string | undefined)[] | undefined,
  outputs: readonly TensorSpec[],
): Classification {
  const topK = section.whole('topK', 1) ?? DEFAULT_TOP_K;
  const hasSoftmax = section.flag('softmax') ?? true;
  const outputName = section.text('output') ?? outputs[0]?.name ?? '';
  const output = outputs.find(({ name }) => name === outputName);
  if (output === undefined) {
    const known = outputs.map(({ name }) => name).join(', ');
    throw section.invalid('output', `is ${outputName}, which the model does not have; its outputs are ${known}.`);
  }
  if (!/^(?:FP16|FP32|FP64)$/.test(output.datatype) || output.shape.length === 0) {
    const message = `is ${outputName}, of ${output.datatype}; labels need floating point scores for each class.`;
    throw section.invalid('output', message);
  }
  if (output.shape.length === 1 && output.batchAxis === 0) {
    throw section.invalid(
      'output',
      `is ${outputName}, which has one number for each row; labels need scores for each class.`,
    );
  }
  return {
    outputName,
    labels: (tensor) => {
      const scores = numbersOf(tensor);
      const classes = tensor.shape.at(-1) ?? 0;
      const level = (axis: number, at: number, size: number): string => {
        if (axis === tensor.shape.length - 1) {
          const row = scores.subarray(at, at + classes);
          return labelled(hasSoftmax ? softmax(row) : Float64Array.from(row), topK, labels, outputName);
        }
        const count = tensor.shape[axis] ?? 0;
        const parts: string[] = [];
        for (let index = 0; index < count; index += 1) {
          parts.push(level(axis + 1, at + (index * size) / count, size / count));
        }
        return `[${parts.join(',')}]`;
      };
      return level(0, 0, scores.length);
    },
  };
}

/** The labels of `index_to_name.json`: a name, or a list that ends in one, by class index. Throws LoadError. */
export function parseLabels(text: string): readonly (string | undefined)[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unusableLabels(`is not JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  if (typeof value !== 'object' || value === null) throw unusableLabels('must be an object of class indices and names');
  const labels: string[] = [];
  for (const [index, entry] of Object.entries(value)) {
    const name: unknown = Array.isArray(entry) ? entry.at(-1) : entry;
    if (!/^\d{1,7}$/.test(index) || typeof name !== 'string') {
      throw unusableLabels(`has ${JSON.stringify({ [index]: entry })}; expected a class index and its name`);
    }
    labels[Number(index)] = name;
  }
  return labels;
}

/** Probabilities from scores. */
export function softmax(scores: ArrayLike<number>): Float64Array {
  let max = -Infinity;
  for (let index = 0; index < scores.length; index += 1) max = Math.max(max, scores[index] ?? 0);
  const exponentials = new Float64Array(scores.length);
  let sum = 0;
  for (let index = 0; index < scores.length; index += 1) {
    const exponential = Math.exp((scores[index] ?? 0) - max);
    exponentials[index] = exponential;
    sum += exponential;
  }
  for (let index = 0; index < scores.length; index += 1) exponentials[index] = (exponentials[index] ?? 0) / sum;
  return exponentials;
}

function labelled(
  probabilities: Float64Array,
  topK: number,
  labels: readonly (string | undefined)[] | undefined,
  outputName: string,
): string {
  const best = Array.from(probabilities.keys())
    .sort((left, right) => (probabilities[right] ?? 0) - (probabilities[left] ?? 0))
    .slice(0, topK);
  const used = new Set<string>();
  const entries = best.map((index) => {
    const probability = probabilities[index] ?? 0;
    if (!Number.isFinite(probability)) {
      throw new OutputError(`Output "${outputName}" holds NaN or infinity, so its classes have no probabilities.`);
    }
    const label = labels?.[index] ?? String(index);
    // Two classes may share a name; an object holds each name once.
    const name = used.has(label) ? `${label} (${index})` : label;
    used.add(name);
    return `${JSON.stringify(name)}:${probability}`;
  });
  // Text of our own: an object would put labels that look like numbers first, whatever their probability.
  return `{${entries.join(',')}}`;
}

function numbersOf({ datatype, data }: Tensor): Float32Array | Float64Array {
  if (datatype === 'FP16') return Float32Array.from(data as Uint16Array, numberFromHalf);
  return data as Float32Array | Float64Array;
}

function unusableLabels(what: string): LoadError {
  return new LoadError('HANDLER_INITIALIZE_FAILED', `index_to_name.json ${what}.`);
}
