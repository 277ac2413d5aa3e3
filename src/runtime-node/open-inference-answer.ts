// Answers of the Open Inference Protocol, version 2: JSON, and behind it the outputs that were asked for in binary.
import type { ResultPart } from './runtime-model.ts';
import type { Tensor } from './tensor.ts';
import { bytesOfTensor } from './tensor-bytes.ts';
import { flatJsonOfTensor } from './tensor-json.ts';

export interface ModelIdentity {
  readonly modelName: string;
  readonly modelVersion: string;
}

export interface AskedOutput {
  readonly name: string;
  readonly isBinary: boolean;
}

/** Throws OutputError for an output in JSON that JSON cannot say. */
export function renderOpenInference(
  tensors: ReadonlyMap<string, Tensor>,
  { id, outputs }: { readonly id: string | undefined; readonly outputs: readonly AskedOutput[] },
  { modelName, modelVersion }: ModelIdentity,
): ResultPart {
  const binary: Uint8Array[] = [];
  const texts: string[] = [];
  for (const { name, isBinary } of outputs) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    const head = `"name":${JSON.stringify(name)},"datatype":"${tensor.datatype}","shape":[${tensor.shape.join(',')}]`;
    if (isBinary) {
      const bytes = bytesOfTensor(tensor);
      binary.push(bytes);
      texts.push(`{${head},"parameters":{"binary_data_size":${bytes.length}}}`);
    } else texts.push(`{${head},"data":${flatJsonOfTensor(tensor, `Output "${name}"`)}}`);
  }
  const echo = id === undefined ? '' : `"id":${JSON.stringify(id)},`;
  const identity = `"model_name":${JSON.stringify(modelName)},"model_version":${JSON.stringify(modelVersion)}`;
  const json = Buffer.from(`{${echo}${identity},"outputs":[${texts.join(',')}]}`);
  if (binary.length === 0) return { bytes: json, encoding: 'json', headers: [['content-type', 'application/json']] };
  return {
    bytes: Buffer.concat([json, ...binary]),
    encoding: 'binary',
    headers: [
      ['content-type', 'application/octet-stream'],
      ['inference-header-content-length', String(json.length)],
    ],
  };
}
