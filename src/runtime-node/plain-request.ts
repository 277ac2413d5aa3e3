// Requests in the plain forms of /predictions: JSON values, raw tensors, images and forms. The Open Inference Protocol's bodies are
// open-inference.ts's.
import { type Asked, checkedInputs, findInput, headerOf, namesOf } from './asked.ts';
import { imageSectionMissing } from './image-advice.ts';
import type { ImageInput } from './image-input.ts';
import { imageKind } from './image-kind.ts';
import { parseJson } from './json-text.ts';
import { looksLikeOpenInference } from './open-inference.ts';
import { type PlainAnswer, renderPlain } from './plain-answer.ts';
import { RequestError } from './request-error.ts';
import type { RequestInput, RuntimeRequest } from './runtime-model.ts';
import { elementCount, reshaped, shapeText, type Tensor } from './tensor.ts';
import { countElements, tensorFromBytes } from './tensor-bytes.ts';
import { shapeOfJson, tensorFromJson } from './tensor-json.ts';
import { isBigInteger, shapeForJson, type TensorSpec } from './tensor-spec.ts';

/** What the reading of a request needs to know of the model. */
export interface PlainModel extends PlainAnswer {
  readonly inputs: readonly TensorSpec[];
  /** The input that images become; undefined without an `image:` section. */
  readonly image: ImageInput | undefined;
}

/** A body that turned out to be one of the Open Inference Protocol. */
export interface OpenInferenceBody {
  readonly openInference: Readonly<Record<string, unknown>>;
}

interface GivenInput {
  readonly tensor: Tensor;
  /** Whether it is one sample that came without its batch axis. */
  readonly isBare: boolean;
}

/** Names that a single value of a request has whatever the model calls its input: the server's for a plain body, and the forms' habit. */
const BODY_NAMES: ReadonlySet<string> = new Set(['body', 'data']);

/** Reads a request. Rejects with a RequestError that says what does not fit. */
export async function readPlainRequest(request: RuntimeRequest, model: PlainModel): Promise<Asked | OpenInferenceBody> {
  const [first, ...others] = request.inputs;
  const isBody =
    first !== undefined && others.length === 0 && BODY_NAMES.has(first.name) && !isNameOfSeveral(first.name, model);
  const given = new Map<string, GivenInput>();
  if (isBody) {
    const body = await readBody(first, model);
    if ('openInference' in body) return body;
    for (const [name, input] of body.given) given.set(name, input);
  } else {
    for (const input of request.inputs) given.set(input.name, await readField(input, model));
  }
  return ask(request, given, model);
}

/** One of several inputs may be called `body` or `data` itself: then a form field of that name is that input. */
function isNameOfSeveral(name: string, { inputs }: PlainModel): boolean {
  return inputs.length > 1 && inputs.some((spec) => spec.name === name);
}

function ask(request: RuntimeRequest, given: ReadonlyMap<string, GivenInput>, model: PlainModel): Asked {
  const withAxis = model.inputs.filter(({ batchAxis }) => batchAxis !== undefined);
  const bare = withAxis.filter(({ name }) => given.get(name)?.isBare === true);
  const isBare = bare.length > 0 && bare.length === withAxis.length;
  const tensors = new Map([...given].map(([name, { tensor }]) => [name, tensor]));
  const accept = headerOf(request, 'accept') ?? '';
  const wantsBytes = accept.split(',').some((range) => range.split(';')[0]?.trim() === 'application/octet-stream');
  return {
    ...checkedInputs(tensors, model.inputs),
    outputNames: model.outputs.map(({ name }) => name),
    render: (outputs) => renderPlain(outputs, model, isBare, wantsBytes),
  };
}

async function readBody(
  body: RequestInput,
  model: PlainModel,
): Promise<{ readonly given: readonly (readonly [string, GivenInput])[] } | OpenInferenceBody> {
  const only = model.inputs.length === 1 ? model.inputs[0] : undefined;
  if (isImage(body, model)) return { given: [await imageOf(body, model)] };
  if (body.contentType === 'text/plain' && only?.datatype === 'BYTES')
    return { given: [[only.name, textSample(body, only)]] };
  const isSaidJson = /^(?:application|text)\/(?:[\w.+-]*\+)?json$|^text\//.test(body.contentType);
  if (isSaidJson || (body.contentType === '' && looksLikeJson(body.bytes))) {
    const value = parseJson(
      body.bytes,
      'The body',
      model.inputs.some(({ datatype }) => isBigInteger(datatype)),
    );
    if (looksLikeOpenInference(value, model.inputs)) return { openInference: value };
    return { given: readJson(value, model) };
  }
  if (body.contentType !== '' && body.contentType !== 'application/octet-stream') {
    throw new RequestError(
      `A body of type ${body.contentType} cannot be read; send application/json or application/octet-stream.`,
      415,
    );
  }
  if (only === undefined) {
    refusePicture(body, model);
    throw new RequestError(
      `A raw body is one tensor, but the model has the inputs ${namesOf(model.inputs)}: send JSON, a form with a part for each, or /v2.`,
    );
  }
  return { given: [[only.name, rawInput(body, only, model)]] };
}

function readJson(value: unknown, { inputs }: PlainModel): (readonly [string, GivenInput])[] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).map(([name, item]) => [name, jsonInput(item, findInput(name, inputs))] as const);
  }
  const [only, ...others] = inputs;
  if (only === undefined) return [];
  if (others.length > 0) {
    throw new RequestError(`The model has the inputs ${namesOf(inputs)}: expected a JSON object that names them.`);
  }
  return [[only.name, jsonInput(value, only)]];
}

function jsonInput(value: unknown, spec: TensorSpec): GivenInput {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    throw new RequestError(`Input "${spec.name}": expected lists of ${spec.datatype} elements, found an object.`);
  }
  const found = shapeOfJson(value);
  const { shape, isBare } = shapeForJson(found, spec);
  const where = `Input "${spec.name}"`;
  const tensor = tensorFromJson(value, spec.datatype, found.length > 1 ? found : shape, where);
  return { tensor: reshaped(tensor, shape), isBare };
}

/** A field of a form, by its own type. */
async function readField(input: RequestInput, model: PlainModel): Promise<GivenInput> {
  const spec = fieldInput(input, model);
  if (isImage(input, model)) return (await imageOf(input, model))[1];
  const type = input.contentType;
  if (spec.datatype === 'BYTES' && (type === 'text/plain' || (type === '' && !looksLikeJson(input.bytes))))
    return textSample(input, spec);
  if (type === 'application/octet-stream') return rawInput(input, spec, model);
  if (type === '' && !looksLikeJson(input.bytes) && !looksLikeNumber(input.bytes)) return rawInput(input, spec, model);
  return jsonInput(parseJson(input.bytes, `Input "${spec.name}"`, isBigInteger(spec.datatype)), spec);
}

function fieldInput(input: RequestInput, { inputs }: PlainModel): TensorSpec {
  // What `curl -d '[1, 2]'` sends without a content type of its own: a form whose only field is called like the body.
  if (/^\s*[[{]/.test(input.name)) {
    throw new RequestError(
      'The body came as a form (application/x-www-form-urlencoded); for JSON send the header Content-Type: application/json.',
    );
  }
  // And what `curl --data-binary @7.png` sends.
  if (input.name.includes('\ufffd')) {
    throw new RequestError(
      'The body came as a form (application/x-www-form-urlencoded), but is binary: send its own Content-Type, or with curl -T FILE.',
    );
  }
  return findInput(input.name, inputs);
}

function isImage(input: RequestInput, { inputs, image }: PlainModel): boolean {
  if (input.contentType.startsWith('image/')) {
    if (image !== undefined) return true;
    throw new RequestError(imageSectionMissing(`A picture (${input.contentType})`, inputs));
  }
  return image !== undefined && input.contentType !== 'application/json' && image.recognises(input.bytes);
}

async function imageOf(input: RequestInput, { image }: PlainModel): Promise<readonly [string, GivenInput]> {
  if (image === undefined) throw new RequestError('The model takes no images.');
  return [image.inputName, { tensor: await image.read(input.bytes), isBare: image.isBare }];
}

function textSample({ bytes }: RequestInput, spec: TensorSpec): GivenInput {
  const { shape, isBare } = shapeForJson([], spec);
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  return { tensor: { datatype: 'BYTES', shape, data: [text] }, isBare };
}

/** Raw bytes as the tensor of an input. Pictures are told apart, unless they may be what the input wants: bytes of any meaning. */
function rawInput(input: RequestInput, spec: TensorSpec, model: PlainModel): GivenInput {
  const isOfBytes = spec.datatype === 'UINT8' || spec.datatype === 'INT8';
  if (!isOfBytes) refusePicture(input, model);
  try {
    return { tensor: rawTensor(input.bytes, spec), isBare: false };
  } catch (error) {
    refusePicture(input, model);
    throw error;
  }
}

function refusePicture({ bytes }: RequestInput, { inputs }: PlainModel): void {
  const kind = imageKind(bytes);
  if (kind !== undefined) throw new RequestError(imageSectionMissing(`A ${kind} picture`, inputs));
}

/** The tensor that raw bytes are: the one dimension that may vary follows from their length. */
function rawTensor(bytes: Uint8Array, spec: TensorSpec): Tensor {
  const where = `Input "${spec.name}"`;
  const free = spec.shape.flatMap((size, axis) => (size === -1 ? [axis] : []));
  const [axis] = free;
  if (axis === undefined) return tensorFromBytes(bytes, spec.datatype, spec.shape, where);
  if (free.length > 1) {
    throw new RequestError(
      `${where}: raw bytes do not tell the shape, of which several dimensions may vary (${shapeText(spec.shape)}); send JSON, or /v2.`,
    );
  }
  const sample = elementCount(spec.shape.toSpliced(axis, 1));
  const count = countElements(bytes, spec.datatype, where);
  if (sample === 0 || count === 0 || count % sample !== 0) {
    throw new RequestError(
      `${where}: expected a multiple of ${sample} ${spec.datatype} elements for ${shapeText(spec.shape)}, found ${count} (${bytes.length} bytes).`,
    );
  }
  return tensorFromBytes(bytes, spec.datatype, spec.shape.with(axis, count / sample), where);
}

function looksLikeJson(bytes: Uint8Array): boolean {
  const first = firstVisible(bytes);
  return first === 0x5b || first === 0x7b || first === 0x22;
}

function looksLikeNumber(bytes: Uint8Array): boolean {
  if (bytes.length > 32) return false;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  return /^\s*(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false)\s*$/.test(text);
}

function firstVisible(bytes: Uint8Array): number | undefined {
  return bytes.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
}
