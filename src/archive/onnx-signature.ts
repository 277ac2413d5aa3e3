// What an ONNX file says about itself: its inputs and outputs by name, type and shape. It is read as it flows, weights are passed over,
// and nothing of it is executed; ONNX Runtime is not needed. Serving a network is runtime-node's business.
import type { TensorDatatype } from '../core/model-signature.ts';

export interface NetworkTensor {
  readonly name: string;
  /** `type 17`, `sequence` … for what the Open Inference Protocol has no word for. */
  readonly datatype: TensorDatatype | string;
  /** A text names a dimension that may vary, '?' one without a name. */
  readonly shape: readonly (number | string)[];
}

export interface NetworkSignature {
  readonly producer: string;
  /** The version of ONNX's own operators; undefined when the file names none. */
  readonly opset: number | undefined;
  readonly inputs: readonly NetworkTensor[];
  readonly outputs: readonly NetworkTensor[];
}

/** A file that is no ONNX network; `message` continues "the file …". */
export class UnusableNetwork extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnusableNetwork';
  }
}

const DATATYPES: ReadonlyMap<number, TensorDatatype> = new Map([
  [1, 'FP32'],
  [2, 'UINT8'],
  [3, 'INT8'],
  [4, 'UINT16'],
  [5, 'INT16'],
  [6, 'INT32'],
  [7, 'INT64'],
  [8, 'BYTES'],
  [9, 'BOOL'],
  [10, 'FP16'],
  [11, 'FP64'],
  [12, 'UINT32'],
  [13, 'UINT64'],
  [16, 'BF16'],
]);

/** Fields of the messages in ONNX's own description of its format. */
const MODEL = { producerName: 2, producerVersion: 3, graph: 7, opsetImport: 8 };
const GRAPH = { initializer: 5, input: 11, output: 12 };
const TENSOR = { name: 8 };
const VALUE = { name: 1, type: 2 };
const TYPE = { tensor: 1, sequence: 4, map: 5, optional: 9 };
const TENSOR_TYPE = { elementType: 1, shape: 2 };
const SHAPE = { dimension: 1 };
const DIMENSION = { value: 1, parameter: 2 };
const OPSET = { domain: 1, version: 2 };

/** Descriptions of tensors are short; what is longer is no such thing. */
const MAX_DESCRIPTION_BYTES = 1024 * 1024;
const MAX_TENSORS = 10_000;

/** Reads the signature of a network from its bytes. Throws UnusableNetwork. */
export async function readNetworkSignature(chunks: AsyncIterable<Buffer>): Promise<NetworkSignature> {
  const flow = new ByteFlow(chunks);
  try {
    return await readModel(flow);
  } finally {
    await flow.close();
  }
}

async function readModel(flow: ByteFlow): Promise<NetworkSignature> {
  let producer = '';
  let opset: number | undefined;
  let graph: Pick<NetworkSignature, 'inputs' | 'outputs'> | undefined;
  for await (const { field, length } of fieldsOf(flow, Number.POSITIVE_INFINITY)) {
    if (field === MODEL.graph && length !== undefined) graph = await readGraph(flow, length);
    else if (field === MODEL.producerName && length !== undefined) producer = await textOf(flow, length);
    else if (field === MODEL.producerVersion && length !== undefined) {
      producer = `${producer} ${await textOf(flow, length)}`.trim();
    } else if (field === MODEL.opsetImport && length !== undefined) {
      const fields = parse(await flow.read(bounded(length)));
      if (textIn(fields, OPSET.domain) === '') opset = numberIn(fields, OPSET.version) ?? opset;
    } else await flow.skip(length ?? 0);
  }
  if (graph === undefined) throw new UnusableNetwork('holds no graph, as every ONNX network does');
  return { producer, opset, ...graph };
}

async function readGraph(flow: ByteFlow, graphBytes: number): Promise<Pick<NetworkSignature, 'inputs' | 'outputs'>> {
  const constants = new Set<string>();
  const inputs: NetworkTensor[] = [];
  const outputs: NetworkTensor[] = [];
  for await (const { field, length } of fieldsOf(flow, graphBytes)) {
    if (inputs.length + outputs.length > MAX_TENSORS)
      throw new UnusableNetwork(`has more than ${MAX_TENSORS} inputs and outputs`);
    if (field === GRAPH.initializer && length !== undefined) constants.add(await initializerName(flow, length));
    else if (field === GRAPH.input && length !== undefined) inputs.push(tensorIn(await flow.read(bounded(length))));
    else if (field === GRAPH.output && length !== undefined) outputs.push(tensorIn(await flow.read(bounded(length))));
    else await flow.skip(length ?? 0);
  }
  // Files of old versions list their weights among the inputs.
  return { inputs: inputs.filter(({ name }) => !constants.has(name)), outputs };
}

async function initializerName(flow: ByteFlow, tensorBytes: number): Promise<string> {
  let name = '';
  for await (const { field, length } of fieldsOf(flow, tensorBytes)) {
    if (field === TENSOR.name && length !== undefined) name = await textOf(flow, length);
    else await flow.skip(length ?? 0);
  }
  return name;
}

function tensorIn(bytes: Buffer): NetworkTensor {
  const value = parse(bytes);
  const name = textIn(value, VALUE.name);
  const type = parse(bytesIn(value, VALUE.type));
  if (type.has(TYPE.sequence)) return { name, datatype: 'sequence', shape: [] };
  if (type.has(TYPE.map)) return { name, datatype: 'map', shape: [] };
  if (type.has(TYPE.optional)) return { name, datatype: 'optional', shape: [] };
  const tensor = parse(bytesIn(type, TYPE.tensor));
  const elementType = numberIn(tensor, TENSOR_TYPE.elementType) ?? 0;
  const dimensions = parse(bytesIn(tensor, TENSOR_TYPE.shape)).get(SHAPE.dimension) ?? [];
  return {
    name,
    datatype: DATATYPES.get(elementType) ?? `type ${elementType}`,
    shape: dimensions.map((one) => (Buffer.isBuffer(one) ? dimensionIn(parse(one)) : '?')),
  };
}

function dimensionIn(fields: Fields): number | string {
  return numberIn(fields, DIMENSION.value) ?? (textIn(fields, DIMENSION.parameter) || '?');
}

/** A field's values in order: numbers, and the bytes of texts and messages. */
type Fields = ReadonlyMap<number, readonly (number | Buffer)[]>;

/** Takes one small message apart. */
function parse(bytes: Buffer): Fields {
  const fields = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = () => {
    const [value, next] = varintIn(bytes, at);
    at = next;
    return value;
  };
  while (at < bytes.length) {
    const tag = varint();
    const wireType = tag % 8;
    const values = fields.get(Math.floor(tag / 8)) ?? [];
    if (wireType === 0) values.push(varint());
    else {
      const length = lengthFor(wireType) ?? varint();
      if (at + length > bytes.length) throw damaged();
      values.push(bytes.subarray(at, at + length));
      at += length;
    }
    fields.set(Math.floor(tag / 8), values);
  }
  return fields;
}

function varintIn(bytes: Buffer, from: number): readonly [value: number, next: number] {
  let value = 0;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[from + index];
    if (byte === undefined) throw damaged();
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return [value, from + index + 1];
  }
  throw damaged();
}

function bytesIn(fields: Fields, field: number): Buffer {
  const value = fields.get(field)?.at(-1);
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

function textIn(fields: Fields, field: number): string {
  return bytesIn(fields, field).toString('utf8');
}

function numberIn(fields: Fields, field: number): number | undefined {
  const value = fields.get(field)?.at(-1);
  return typeof value === 'number' ? value : undefined;
}

/** Bytes of a field of fixed length; undefined when its length stands before it. */
function lengthFor(wireType: number): number | undefined {
  if (wireType === 1) return 8;
  if (wireType === 5) return 4;
  if (wireType === 2) return undefined;
  throw damaged();
}

function bounded(length: number): number {
  if (length > MAX_DESCRIPTION_BYTES) throw damaged();
  return length;
}

async function textOf(flow: ByteFlow, length: number): Promise<string> {
  return (await flow.read(bounded(length))).toString('utf8');
}

function damaged(): UnusableNetwork {
  return new UnusableNetwork('is no ONNX network, or is damaged');
}

/** The fields of the message that fills the next bytes; whoever iterates reads or skips `length` bytes of each before the next. */
async function* fieldsOf(
  flow: ByteFlow,
  messageBytes: number,
): AsyncGenerator<{ field: number; length: number | undefined }, void, undefined> {
  const end = flow.position + messageBytes;
  while (flow.position < end && !(await flow.hasEnded())) {
    const tag = await flow.varint();
    const wireType = tag % 8;
    if (tag < 8) throw damaged();
    if (wireType === 0) {
      await flow.varint();
      continue;
    }
    const length = lengthFor(wireType) ?? (await flow.varint());
    if (flow.position + length > end) throw damaged();
    yield { field: Math.floor(tag / 8), length };
  }
  if (Number.isFinite(end) && flow.position !== end) throw damaged();
}

/** Bytes in the order in which they come. */
class ByteFlow {
  position = 0;
  readonly #chunks: AsyncIterator<Buffer>;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async hasEnded(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#chunks.next();
      if (next.done === true) return true;
      this.#chunk = next.value;
      this.#at = 0;
    }
    return false;
  }

  async read(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    await this.#advance(count, (part) => parts.push(part));
    return parts.length === 1 ? (parts[0] ?? Buffer.alloc(0)) : Buffer.concat(parts);
  }

  async skip(count: number): Promise<void> {
    await this.#advance(count, () => {});
  }

  async varint(): Promise<number> {
    let value = 0;
    for (let index = 0; index < 10; index++) {
      if (this.#at === this.#chunk.length && (await this.hasEnded())) throw damaged();
      const byte = this.#chunk[this.#at++] ?? 0;
      this.position += 1;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return value;
    }
    throw damaged();
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #advance(count: number, take: (part: Buffer) => void): Promise<void> {
    let left = count;
    while (left > 0) {
      if (await this.hasEnded()) throw damaged();
      const step = Math.min(left, this.#chunk.length - this.#at);
      take(this.#chunk.subarray(this.#at, this.#at + step));
      this.#at += step;
      left -= step;
    }
    this.position += count;
  }
}
