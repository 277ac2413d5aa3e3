// Tensors of several requests as one, along an axis, and back.
import { arrayTypeOf, elementCount, newTensorData, type Tensor, type TensorData } from './tensor.ts';

/**
 * One tensor of all rows, in order. All of them agree in datatype and in every dimension but `axis`. Shares their memory where one lies
 * behind the other already, as raw tensors of one batch do.
 */
export function joinTensors(tensors: readonly [Tensor, ...Tensor[]], axis: number): Tensor {
  const [first] = tensors;
  if (tensors.length === 1) return first;
  const shape = [...first.shape];
  shape[axis] = tensors.reduce((sum, tensor) => sum + (tensor.shape[axis] ?? 0), 0);
  const blocks = elementCount(shape.slice(0, axis));
  const adjoining = blocks === 1 ? adjoiningData(tensors) : undefined;
  if (adjoining !== undefined) return { datatype: first.datatype, shape, data: adjoining };
  const data = newTensorData(first.datatype, elementCount(shape));
  const rowSize = elementCount(shape.slice(axis + 1));
  let at = 0;
  for (let block = 0; block < blocks; block += 1) {
    for (const tensor of tensors) {
      const size = (tensor.shape[axis] ?? 0) * rowSize;
      copyElements(tensor.data, block * size, size, data, at);
      at += size;
    }
  }
  return { datatype: first.datatype, shape, data };
}

/** A tensor for each count of rows; the counts add up to the length of `axis`. Shares memory where the rows of one lie together. */
export function splitTensor(tensor: Tensor, axis: number, rowCounts: readonly number[]): Tensor[] {
  if (rowCounts.length === 1) return [tensor];
  const { datatype, data } = tensor;
  const blocks = elementCount(tensor.shape.slice(0, axis));
  const rowSize = elementCount(tensor.shape.slice(axis + 1));
  const blockSize = (tensor.shape[axis] ?? 0) * rowSize;
  let offset = 0;
  return rowCounts.map((rows) => {
    const shape = [...tensor.shape];
    shape[axis] = rows;
    const size = rows * rowSize;
    const from = offset;
    offset += size;
    if (blocks === 1) return { datatype, shape, data: part(data, from, from + size) };
    const own = newTensorData(datatype, blocks * size);
    for (let block = 0; block < blocks; block += 1) {
      copyElements(data, block * blockSize + from, size, own, block * size);
    }
    return { datatype, shape, data: own };
  });
}

/** The elements of all tensors as one array over their memory; undefined unless each begins where the one before ends. */
function adjoiningData([first, ...others]: readonly [Tensor, ...Tensor[]]): TensorData | undefined {
  const ArrayType = arrayTypeOf(first.datatype);
  if (ArrayType === undefined || Array.isArray(first.data)) return undefined;
  const { buffer, byteOffset } = first.data;
  let end = byteOffset + first.data.byteLength;
  for (const { data } of others) {
    if (Array.isArray(data) || data.buffer !== buffer || data.byteOffset !== end) return undefined;
    end += data.byteLength;
  }
  return new ArrayType(buffer as ArrayBuffer, byteOffset, (end - byteOffset) / ArrayType.BYTES_PER_ELEMENT);
}

function part(data: TensorData, from: number, to: number): TensorData {
  return Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to);
}

function copyElements(source: TensorData, from: number, count: number, target: TensorData, at: number): void {
  if (Array.isArray(source) && Array.isArray(target)) {
    for (let index = 0; index < count; index += 1) target[at + index] = source[from + index] ?? '';
  } else {
    // Both are of one array type, whichever it is: tensors that are joined have one datatype.
    (target as Uint8Array).set((source as Uint8Array).subarray(from, from + count), at);
  }
}
