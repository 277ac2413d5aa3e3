// A typed tensor of our own: what every form of a request is read into and every answer is written from. Nothing in here knows a transport
// or ONNX Runtime.
import type { TensorDatatype } from '../core/model-signature.ts';

/** Arrays whose elements are JavaScript numbers. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array;

export type BigIntArray = BigInt64Array | BigUint64Array;

/** Elements in row-major order: BOOL as bytes 0 and 1, FP16 and BF16 as their 16 bits, BYTES as text. */
export type TensorData = NumberArray | BigIntArray | string[];

export interface Tensor {
  readonly datatype: TensorDatatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

/** The array type of a datatype; undefined for BYTES, which has no fixed element size. */
export function arrayTypeOf(datatype: TensorDatatype) {
  return datatype === 'BYTES' ? undefined : ARRAYS[datatype];
}

/** Room for this many elements: zeros, or empty texts. */
export function newTensorData(datatype: TensorDatatype, count: number): TensorData {
  const ArrayType = arrayTypeOf(datatype);
  return ArrayType === undefined ? new Array<string>(count).fill('') : new ArrayType(count);
}

/** How many elements a shape has; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return count;
}

/** `[2, 3]`, shortened where a shape is absurdly long. */
export function shapeText(shape: readonly number[]): string {
  const shown = shape.slice(0, 16).join(', ');
  return shape.length > 16 ? `[${shown}, … ${shape.length} dimensions]` : `[${shown}]`;
}

/** The same elements under another shape of the same size. */
export function reshaped(tensor: Tensor, shape: readonly number[]): Tensor {
  return { datatype: tensor.datatype, shape, data: tensor.data };
}
