// Requests with tensors, as clients write them: JSON, raw bytes, and the binary form of `/v2`.
import { post } from './exchange.mjs';

/** What ResNet-18 takes. */
export const PICTURE = [1, 3, 224, 224];
/** What a row of the MLP is. */
export const LEVELS = 784;

/** 784 levels of grey in JSON: 5.5 kB. @param {string} path */
export function jsonLevels(path) {
  return post(path, ['content-type: application/json'], Buffer.from(JSON.stringify([levels()])));
}

/** Numbers with four digits. */
export function levels() {
  return Array.from({ length: LEVELS }, () => Math.floor(Math.random() * 10_000) / 10_000);
}

/** The bytes of one tensor and nothing else. @param {string} path @param {readonly number[]} shape */
export function rawTensor(path, shape) {
  return post(path, ['content-type: application/octet-stream'], randomTensor(shape));
}

/** A tensor as the binary extension of the Open Inference Protocol has it; the answer is to be binary, too. @param {string} model @param {readonly number[]} shape */
export function binaryTensor(model, shape) {
  const tensor = randomTensor(shape);
  const head = Buffer.from(
    JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape, parameters: { binary_data_size: tensor.length } }],
      parameters: { binary_data_output: true },
    }),
  );
  const headers = ['content-type: application/octet-stream', `inference-header-content-length: ${head.length}`];
  return post(`/v2/models/${model}/infer`, headers, Buffer.concat([head, tensor]));
}

function randomTensor(shape) {
  const length = shape.reduce((one, other) => one * other);
  return Buffer.from(Float32Array.from({ length }, () => Math.random()).buffer);
}
