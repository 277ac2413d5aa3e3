// Tensors ↔ JSON values: nested lists, flat lists and scalars. Every element is checked on its way in; on the way out text is written
// directly, so that 64-bit integers keep all their digits.
import type { TensorDatatype } from '../core/model-signature.ts';
import { bfloatFromNumber, halfFromNumber, numberFromBfloat, numberFromHalf } from './half.ts';
import { OutputError, RequestError } from './request-error.ts';
import { type BigIntArray, elementCount, type NumberArray, newTensorData, shapeText, type Tensor } from './tensor.ts';

interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

const INTEGERS: Readonly<Partial<Record<TensorDatatype, IntegerRange>>> = {
  UINT8: { min: 0, max: 0xff },
  UINT16: { min: 0, max: 0xffff },
  UINT32: { min: 0, max: 0xffffffff },
  INT8: { min: -0x80, max: 0x7f },
  INT16: { min: -0x8000, max: 0x7fff },
  INT32: { min: -0x80000000, max: 0x7fffffff },
};

/** The shape that nested lists seem to have, by the first element of each list; [] for a scalar. */
export function shapeOfJson(value: unknown): number[] {
  const shape: number[] = [];
  // Not level[0]: for long lists of numbers that was measured to cost several microseconds, .at(0) none.
  for (let level = value; Array.isArray(level); level = level.at(0)) shape.push(level.length);
  return shape;
}

/**
 * The tensor that nested lists, a flat list or a scalar spell. `value` either nests exactly as `shape` says or is one flat list of all its
 * elements. Throws RequestError, beginning with `where`, for what is not so.
 */
export function tensorFromJson(
  value: unknown,
  datatype: TensorDatatype,
  shape: readonly number[],
  where: string,
): Tensor {
  const count = elementCount(shape);
  const isFlat = Array.isArray(value) && !Array.isArray(value.at(0));
  const found = isFlat ? value.length : elementCount(shapeOfJson(value));
  if (found !== count) {
    const came = isFlat ? `${found}` : `${found}, in the shape ${shapeText(shapeOfJson(value))}`;
    throw new RequestError(`${where}: expected ${count} elements for the shape ${shapeText(shape)}, found ${came}.`);
  }
  const nesting = isFlat ? [count] : shapeOfJson(value);
  if (!isFlat && shapeText(nesting) !== shapeText(shape) && count > 1) {
    const message = `${where}: its lists have the shape ${shapeText(nesting)}, expected ${shapeText(shape)}.`;
    throw new RequestError(message);
  }
  const data = newTensorData(datatype, count);
  const fill = filler({ datatype, shape, data }, where);
  if (nesting.length === 0) fill([value], 0);
  else fillLists(value, nesting, 0, 0, fill, where);
  return { datatype, shape, data };
}

/** The tensor as JSON text: nested lists, a bare element for a scalar. Throws OutputError for NaN and infinity, which JSON cannot say. */
export function jsonOfTensor(tensor: Tensor, where: string): string {
  const texts = elementTexts(tensor, where);
  if (tensor.shape.length === 0) return texts(0, 1);
  const [first = 0] = tensor.shape;
  const strides = tensor.shape.map((_, axis) => elementCount(tensor.shape.slice(axis + 1)));
  const level = (axis: number, size: number, at: number): string => {
    if (axis === tensor.shape.length - 1) return `[${texts(at, at + size)}]`;
    const parts: string[] = [];
    for (let index = 0; index < size; index += 1) {
      parts.push(level(axis + 1, tensor.shape[axis + 1] ?? 0, at + index * (strides[axis] ?? 0)));
    }
    return `[${parts.join(',')}]`;
  };
  return level(0, first, 0);
}

/** The tensor's elements as one flat JSON list. */
export function flatJsonOfTensor(tensor: Tensor, where: string): string {
  return `[${elementTexts(tensor, where)(0, tensor.data.length)}]`;
}

type Fill = (row: readonly unknown[], at: number) => void;

function fillLists(
  value: unknown,
  nesting: readonly number[],
  axis: number,
  at: number,
  fill: Fill,
  where: string,
): number {
  const size = nesting[axis] ?? 0;
  if (!Array.isArray(value) || value.length !== size) {
    const came = Array.isArray(value) ? `one of ${value.length}` : shown(value);
    throw new RequestError(
      `${where}: its lists are not of one shape: expected a list of ${size} at depth ${axis + 1}, found ${came}.`,
    );
  }
  if (axis === nesting.length - 1) {
    fill(value, at);
    return at + size;
  }
  let next = at;
  for (const item of value) next = fillLists(item, nesting, axis + 1, next, fill, where);
  return next;
}

/** A function that checks a list of elements and writes them into the tensor. */
function filler({ datatype, shape, data }: Tensor, where: string): Fill {
  const refuse = (value: unknown, flatIndex: number, expected: string): never => {
    const position = placeOf(flatIndex, shape);
    throw new RequestError(`${where}: expected ${expected}${position}, found ${shown(value)}.`);
  };
  switch (datatype) {
    case 'FP32':
    case 'FP64':
      return floatFiller(data as NumberArray, (value) => value, Number.isFinite, refuse, datatype);
    case 'FP16':
      return floatFiller(data as NumberArray, halfFromNumber, (bits) => (bits & 0x7c00) !== 0x7c00, refuse, datatype);
    case 'BF16':
      return floatFiller(data as NumberArray, bfloatFromNumber, (bits) => (bits & 0x7f80) !== 0x7f80, refuse, datatype);
    case 'INT64':
    case 'UINT64':
      return bigIntegerFiller(data as BigIntArray, datatype === 'INT64', refuse);
    case 'BOOL':
      return (row, at) => {
        for (let index = 0; index < row.length; index += 1) {
          const value = row[index];
          if (value === true || value === 1) (data as NumberArray)[at + index] = 1;
          else if (value !== false && value !== 0) refuse(value, at + index, 'true or false');
        }
      };
    case 'BYTES':
      return (row, at) => {
        for (let index = 0; index < row.length; index += 1) {
          const value = row[index];
          if (typeof value === 'string') (data as string[])[at + index] = value;
          else refuse(value, at + index, 'a string');
        }
      };
    default:
      return integerFiller(data as NumberArray, datatype, refuse);
  }
}

type Refuse = (value: unknown, flatIndex: number, expected: string) => never;

function floatFiller(
  data: NumberArray,
  encode: (value: number) => number,
  isStorable: (stored: number) => boolean,
  refuse: Refuse,
  datatype: TensorDatatype,
): Fill {
  return (row, at) => {
    for (let index = 0; index < row.length; index += 1) {
      const given = row[index];
      const value = typeof given === 'bigint' ? Number(given) : given;
      if (typeof value !== 'number') return refuse(given, at + index, 'a number');
      data[at + index] = encode(value);
      if (!isStorable(data[at + index] ?? 0)) refuse(given, at + index, `a number in the range of ${datatype}`);
    }
  };
}

function integerFiller(data: NumberArray, datatype: TensorDatatype, refuse: Refuse): Fill {
  const { min, max } = INTEGERS[datatype] ?? { min: 0, max: 0 };
  return (row, at) => {
    for (let index = 0; index < row.length; index += 1) {
      const value = row[index];
      if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
        refuse(value, at + index, `a whole number from ${min} to ${max} (${datatype})`);
      } else data[at + index] = value;
    }
  };
}

function bigIntegerFiller(data: BigIntArray, isSigned: boolean, refuse: Refuse): Fill {
  const fits = isSigned
    ? (value: bigint) => BigInt.asIntN(64, value) === value
    : (value: bigint) => BigInt.asUintN(64, value) === value;
  const expected = isSigned
    ? 'a whole number of 64 bits, written in digits'
    : 'a whole number of 64 bits from 0 on, written in digits';
  return (row, at) => {
    for (let index = 0; index < row.length; index += 1) {
      const given = row[index];
      const value = typeof given === 'number' && Number.isSafeInteger(given) ? BigInt(given) : given;
      if (typeof value !== 'bigint' || !fits(value)) refuse(given, at + index, expected);
      else data[at + index] = value;
    }
  };
}

/** A function that writes elements `from` to `to` as JSON, separated by commas. */
function elementTexts({ datatype, shape, data }: Tensor, where: string): (from: number, to: number) => string {
  switch (datatype) {
    case 'FP32':
    case 'FP64':
      return numberTexts(data as NumberArray, shape, where);
    case 'FP16':
      return numberTexts(Float32Array.from(data as NumberArray, numberFromHalf), shape, where);
    case 'BF16':
      return numberTexts(Float32Array.from(data as NumberArray, numberFromBfloat), shape, where);
    case 'BOOL':
      return (from, to) =>
        Array.from((data as Uint8Array).subarray(from, to), (bit) => (bit === 0 ? 'false' : 'true')).join(',');
    case 'BYTES':
      return (from, to) =>
        (data as string[])
          .slice(from, to)
          .map((text) => JSON.stringify(text))
          .join(',');
    default:
      return (from, to) => (data as Uint8Array).subarray(from, to).join(',');
  }
}

function numberTexts(data: NumberArray, shape: readonly number[], where: string): (from: number, to: number) => string {
  return (from, to) => {
    for (let index = from; index < to; index += 1) {
      const value = data[index] ?? 0;
      if (Number.isFinite(value)) continue;
      throw new OutputError(
        `${where} holds ${value}${placeOf(index, shape)}, which JSON cannot say; ask for it in binary (Accept: ` +
          'application/octet-stream, or binary_data on /v2).',
      );
    }
    return data.subarray(from, to).join(',');
  };
}

/** ` at [0][3]`: where an element stands; nothing for a scalar. */
function placeOf(flatIndex: number, shape: readonly number[]): string {
  if (shape.length === 0) return '';
  const indices: number[] = [];
  let rest = flatIndex;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const size = shape[axis] ?? 1;
    indices.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return ` at ${indices.map((index) => `[${index}]`).join('')}`;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
