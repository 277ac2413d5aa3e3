// Answers on /predictions: JSON of one output, or of several by name; labels with their probabilities; or the raw tensor.
import type { Classification } from './classify.ts';
import { RequestError } from './request-error.ts';
import type { ResultPart } from './runtime-model.ts';
import type { Tensor } from './tensor.ts';
import { bytesOfTensor } from './tensor-bytes.ts';
import { jsonOfTensor } from './tensor-json.ts';
import { type TensorSpec, withoutBatchAxis } from './tensor-spec.ts';

export interface PlainAnswer {
  readonly outputs: readonly TensorSpec[];
  /** Turns an output into labels; undefined without a `classification:` section. */
  readonly classification: Classification | undefined;
}

/** `isBare`: the request was one sample without its batch axis, and so is the answer. Throws RequestError or OutputError. */
export function renderPlain(
  outputs: ReadonlyMap<string, Tensor>,
  { outputs: specs, classification }: PlainAnswer,
  isBare: boolean,
  wantsBytes: boolean,
): ResultPart {
  if (wantsBytes) return { bytes: rawOutput(outputs), encoding: 'binary' };
  const classified = classification === undefined ? undefined : outputs.get(classification.outputName);
  if (classification !== undefined && classified !== undefined)
    return json(
      classification.labels(
        isBare ? withoutBatchAxis(classified, axisOf(classification.outputName, specs)) : classified,
      ),
    );
  const texts = [...outputs].map(([name, tensor]) => {
    const shown = isBare ? withoutBatchAxis(tensor, axisOf(name, specs)) : tensor;
    return [name, jsonOfTensor(shown, `Output "${name}"`)] as const;
  });
  const [only, ...others] = texts;
  if (only !== undefined && others.length === 0) return json(only[1]);
  return json(`{${texts.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(',')}}`);
}

function rawOutput(outputs: ReadonlyMap<string, Tensor>): Uint8Array {
  const [only, ...others] = outputs.values();
  if (only !== undefined && others.length === 0) return bytesOfTensor(only);
  throw new RequestError(
    `The model has the outputs ${[...outputs.keys()].join(', ')}; only a single one can be sent as application/octet-stream. Use /v2.`,
    406,
  );
}

function axisOf(name: string, specs: readonly TensorSpec[]): number | undefined {
  return specs.find((spec) => spec.name === name)?.batchAxis;
}

function json(text: string): ResultPart {
  return { bytes: Buffer.from(text), encoding: 'json' };
}
