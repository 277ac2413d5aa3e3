// Requests of the Open Inference Protocol, version 2: JSON, with tensors in it or in binary behind it. Every length is checked before anything
// is read by it. The answer is open-inference-answer.ts's.
import { type Asked, checkedInputs, findInput, headerOf, namesOf } from './asked.ts';
import { parseJson } from './json-text.ts';
import { type AskedOutput, type ModelIdentity, renderOpenInference } from './open-inference-answer.ts';
import { RequestError } from './request-error.ts';
import type { RuntimeRequest } from './runtime-model.ts';
import { elementCount, shapeText, type Tensor } from './tensor.ts';
import { countElements, tensorFromBytes } from './tensor-bytes.ts';
import { tensorFromJson } from './tensor-json.ts';
import { checkDatatype, checkShape, isBigInteger, type TensorSpec } from './tensor-spec.ts';

export interface OpenInferenceModel extends ModelIdentity {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** `null` stands for what is left out: clients that are made from schemas write it for every absent field. */
type Fields = Readonly<Record<string, unknown>>;

const NO_BYTES = new Uint8Array(0);

/** Reads the body of a /v2 route. Throws RequestError that says what does not fit. */
export function readOpenInference(request: RuntimeRequest, model: OpenInferenceModel): Asked {
  const [body, ...others] = request.inputs;
  if (body === undefined || others.length > 0 || body.name !== 'body')
    throw new RequestError(
      'The Open Inference Protocol takes one JSON body, not a form: send Content-Type: application/json.',
    );
  const lengthText = headerOf(request, 'inference-header-content-length');
  if (lengthText === undefined) return readFields(parseHeader(body.bytes, model), NO_BYTES, model);
  const length = /^\d{1,15}$/.test(lengthText) ? Number(lengthText) : Number.NaN;
  if (Number.isNaN(length) || length > body.bytes.length) {
    throw new RequestError(
      `Inference-Header-Content-Length: expected the length of the JSON, at most ${body.bytes.length}, found ${lengthText.slice(0, 40)}.`,
    );
  }
  if (length === 0) return readRaw(body.bytes, model);
  return readFields(parseHeader(body.bytes.subarray(0, length), model), body.bytes.subarray(length), model);
}

/** Reads a JSON body that was found to be one of the protocol. Throws RequestError. */
export function readFields(fields: Fields, binary: Uint8Array, model: OpenInferenceModel): Asked {
  const id = fields['id'] ?? undefined;
  if (id !== undefined && typeof id !== 'string') throw new RequestError(`id: expected a string, found ${quoted(id)}.`);
  const parameters = parametersOf(fields, 'The request');
  const inputs = readInputs(listOf(fields['inputs'], 'inputs'), binary, model);
  const isBinaryDefault = flagOf(parameters, 'binary_data_output', 'The request') ?? false;
  const outputs = readOutputs(fields['outputs'], isBinaryDefault, model);
  return {
    ...checkedInputs(inputs, model.inputs),
    outputNames: outputs.map(({ name }) => name),
    render: (tensors) => renderOpenInference(tensors, { id, outputs }, model),
  };
}

/** Whether a JSON value is the protocol's rather than inputs by name. */
export function looksLikeOpenInference(value: unknown, inputs: readonly TensorSpec[]): value is Fields {
  if (!isFields(value) || !Array.isArray(value['inputs'])) return false;
  const [first] = value['inputs'];
  return first === undefined ? inputs.every(({ name }) => name !== 'inputs') : isFields(first);
}

function parseHeader(bytes: Uint8Array, { inputs }: OpenInferenceModel): Fields {
  const value = parseJson(
    bytes,
    'The request',
    inputs.some(({ datatype }) => isBigInteger(datatype)),
  );
  if (isFields(value)) return value;
  throw new RequestError(`The request: expected a JSON object with "inputs", found ${quoted(value)}.`);
}

/** A body that is one tensor in binary and nothing else; its dynamic dimension follows from its length. */
function readRaw(bytes: Uint8Array, model: OpenInferenceModel): Asked {
  const [only, ...others] = model.inputs;
  if (only === undefined || others.length > 0) {
    throw new RequestError(
      `A raw body (Inference-Header-Content-Length: 0) is one tensor, but the model has the inputs ${namesOf(model.inputs)}.`,
    );
  }
  const where = `Input "${only.name}"`;
  const free = only.shape.filter((size) => size === -1).length;
  const fixed = elementCount(only.shape.filter((size) => size !== -1));
  const count = countElements(bytes, only.datatype, where);
  if (free > 1 || fixed === 0 || count % fixed !== 0) {
    throw new RequestError(
      `${where}: ${count} elements do not make a tensor of shape ${shapeText(only.shape)}; send its shape in JSON.`,
    );
  }
  const shape = only.shape.map((size) => (size === -1 ? count / fixed : size));
  const tensor = tensorFromBytes(bytes, only.datatype, shape, where);
  const outputs = readOutputs(undefined, true, model);
  return {
    ...checkedInputs(new Map([[only.name, tensor]]), model.inputs),
    outputNames: outputs.map(({ name }) => name),
    render: (tensors) => renderOpenInference(tensors, { id: undefined, outputs }, model),
  };
}

function readInputs(
  items: readonly unknown[],
  binary: Uint8Array,
  { inputs: specs }: OpenInferenceModel,
): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  let at = 0;
  for (const [index, item] of items.entries()) {
    if (!isFields(item)) throw new RequestError(`inputs[${index}]: expected an object, found ${quoted(item)}.`);
    const name = item['name'];
    if (typeof name !== 'string')
      throw new RequestError(`inputs[${index}].name: expected a string, found ${quoted(name)}.`);
    const spec = findInput(name, specs);
    const where = `Input "${name}"`;
    if (tensors.has(name)) throw new RequestError(`${where} comes twice.`);
    const shape = shapeOf(item['shape'], where);
    const { datatype } = item;
    if (typeof datatype !== 'string')
      throw new RequestError(`${where}: expected datatype ${spec.datatype}, found ${quoted(datatype)}.`);
    checkDatatype(datatype, spec);
    checkShape(shape, spec);
    const parameters = parametersOf(item, where);
    refuseSharedMemory(parameters, where);
    const size = parameters['binary_data_size'] ?? undefined;
    const data = item['data'] ?? undefined;
    if (size === undefined) {
      if (data === undefined) throw new RequestError(`${where}: has neither data nor binary_data_size.`);
      tensors.set(name, tensorFromJson(data, spec.datatype, shape, where));
      continue;
    }
    if (data !== undefined) throw new RequestError(`${where}: has both data and binary_data_size; send one.`);
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
      throw new RequestError(`${where}: binary_data_size must be a number of bytes; found ${quoted(size)}.`);
    if (size > binary.length - at) {
      throw new RequestError(
        `${where}: binary_data_size is ${size}, but ${binary.length - at} bytes are left behind the JSON.`,
      );
    }
    tensors.set(name, tensorFromBytes(binary.subarray(at, at + size), spec.datatype, shape, where));
    at += size;
  }
  if (at !== binary.length) {
    throw new RequestError(
      `The inputs name ${at} bytes of binary data (binary_data_size), but ${binary.length} came behind the JSON.`,
    );
  }
  return tensors;
}

function readOutputs(value: unknown, isBinaryDefault: boolean, { outputs: specs }: OpenInferenceModel): AskedOutput[] {
  const items = value === undefined || value === null ? [] : listOf(value, 'outputs');
  if (items.length === 0) return specs.map(({ name }) => ({ name, isBinary: isBinaryDefault }));
  const seen = new Set<string>();
  return items.map((item, index) => {
    const name = isFields(item) ? item['name'] : undefined;
    if (!isFields(item) || typeof name !== 'string') {
      throw new RequestError(`outputs[${index}]: expected an object with a name, found ${quoted(item)}.`);
    }
    const where = `Output "${name}"`;
    if (!specs.some((spec) => spec.name === name)) {
      throw new RequestError(`The model has no output "${name}"; its outputs are ${namesOf(specs)}.`);
    }
    if (seen.has(name)) throw new RequestError(`${where} is asked for twice.`);
    seen.add(name);
    const parameters = parametersOf(item, where);
    refuseSharedMemory(parameters, where);
    if ((parameters['classification'] ?? undefined) !== undefined)
      throw new RequestError(`${where}: the classification extension is not offered here.`);
    const isBinary = flagOf(parameters, 'binary_data', where) ?? isBinaryDefault;
    return { name, isBinary };
  });
}

function shapeOf(value: unknown, where: string): readonly number[] {
  if (!Array.isArray(value)) throw new RequestError(`${where}: shape must be a list of sizes; found ${quoted(value)}.`);
  for (const size of value) {
    if (!Number.isSafeInteger(size) || size < 0)
      throw new RequestError(`${where}: shape has ${quoted(size)}, which is not a size.`);
  }
  if (!Number.isSafeInteger(elementCount(value)))
    throw new RequestError(`${where}: shape ${shapeText(value)} has more elements than can be counted.`);
  return value;
}

function refuseSharedMemory(parameters: Fields, where: string): void {
  if ((parameters['shared_memory_region'] ?? undefined) !== undefined)
    throw new RequestError(`${where}: shared memory is not offered here; send the tensor in the request.`);
}

function parametersOf(fields: Fields, where: string): Fields {
  const parameters = fields['parameters'] ?? undefined;
  if (parameters === undefined) return {};
  if (isFields(parameters)) return parameters;
  throw new RequestError(`${where}: parameters must be an object; found ${quoted(parameters)}.`);
}

function flagOf(parameters: Fields, name: string, where: string): boolean | undefined {
  const value = parameters[name] ?? undefined;
  if (value === undefined || typeof value === 'boolean') return value;
  throw new RequestError(`${where}: ${name} must be true or false; found ${quoted(value)}.`);
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new RequestError(`${name}: expected a list, found ${quoted(value)}.`);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function quoted(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
