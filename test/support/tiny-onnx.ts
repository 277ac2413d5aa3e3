// The smallest ONNX files that tests need, written byte by byte: networks that hand their inputs on as they are, of any element type.

export type ElementType = keyof typeof ELEMENT_TYPES;

const ELEMENT_TYPES = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
  BF16: 16,
} as const;

/** An input, and the output `NAME_out` that repeats it; texts in the shape name dimensions that may vary. */
export interface Passage {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

/** A network of one Identity node for each passage. */
export function identityNetwork(passages: readonly Passage[]): Buffer {
  const graph = message(
    ...passages.map(({ name }) => field(1, node('Identity', [name], [`${name}_out`]))),
    field(2, text('tiny')),
    ...passages.map((passage) => field(11, valueInfo(passage.name, passage))),
    ...passages.map((passage) => field(12, valueInfo(`${passage.name}_out`, passage))),
  );
  return model(graph);
}

/** `y = x / x`: NaN for zeros. */
export function divisionNetwork(): Buffer {
  const shape = ['batch', 2];
  return model(
    message(
      field(1, node('Div', ['x', 'x'], ['y'])),
      field(2, text('division')),
      field(11, valueInfo('x', { type: 'FP32', shape })),
      field(12, valueInfo('y', { type: 'FP32', shape })),
    ),
  );
}

/** `y = x + w`, with the four numbers of w in a file of their own beside the network. */
export function networkWithDataFile(dataFile: string): Buffer {
  const shape = ['batch', 4];
  const entry = (key: string, value: string) => field(13, message(field(1, text(key)), field(2, text(value))));
  const weights = message(
    number(1, 4),
    number(2, ELEMENT_TYPES.FP32),
    field(8, text('w')),
    entry('location', dataFile),
    entry('offset', '0'),
    entry('length', '16'),
    number(14, 1),
  );
  return model(
    message(
      field(1, node('Add', ['x', 'w'], ['y'])),
      field(2, text('sum')),
      field(5, weights),
      field(11, valueInfo('x', { type: 'FP32', shape })),
      field(12, valueInfo('y', { type: 'FP32', shape })),
    ),
  );
}

/** `scores = size · weights + offsets`, a linear classifier of two features into as many classes as there are offsets. */
export function linearNetwork(weights: readonly (readonly number[])[], offsets: readonly number[]): Buffer {
  const classes = offsets.length;
  return model(
    message(
      field(1, node('Gemm', ['size', 'weights', 'offsets'], ['scores'])),
      field(2, text('linear')),
      field(5, floats('weights', [weights.length, classes], weights.flat())),
      field(5, floats('offsets', [classes], offsets)),
      field(11, valueInfo('size', { type: 'FP32', shape: ['batch', weights.length] })),
      field(12, valueInfo('scores', { type: 'FP32', shape: ['batch', classes] })),
    ),
  );
}

function floats(name: string, shape: readonly number[], values: readonly number[]): Buffer {
  const bytes = Buffer.from(Float32Array.from(values).buffer);
  return message(
    ...shape.map((size) => number(1, size)),
    number(2, ELEMENT_TYPES.FP32),
    field(8, text(name)),
    field(9, bytes),
  );
}

function model(graph: Buffer): Buffer {
  return message(field(7, graph), number(1, 8), field(8, message(field(1, text('')), number(2, 13))));
}

function node(operator: string, inputs: readonly string[], outputs: readonly string[]): Buffer {
  return message(
    ...inputs.map((name) => field(1, text(name))),
    ...outputs.map((name) => field(2, text(name))),
    field(4, text(operator)),
  );
}

function valueInfo(name: string, { type, shape }: Pick<Passage, 'type' | 'shape'>): Buffer {
  const dimensions = shape.map((size) =>
    field(1, typeof size === 'number' ? number(1, size) : size === '' ? message() : field(2, text(size))),
  );
  const tensor = message(number(1, ELEMENT_TYPES[type]), field(2, message(...dimensions)));
  return message(field(1, text(name)), field(2, field(1, tensor)));
}

function message(...fields: readonly Buffer[]): Buffer {
  return Buffer.concat(fields);
}

function field(id: number, content: Buffer): Buffer {
  return Buffer.concat([varint((id << 3) | 2), varint(content.length), content]);
}

function number(id: number, value: number): Buffer {
  return Buffer.concat([varint(id << 3), varint(value)]);
}

function text(value: string): Buffer {
  return Buffer.from(value);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
