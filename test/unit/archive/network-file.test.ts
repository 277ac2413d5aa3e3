import { expect, test } from 'vitest';
import { networkArchive } from '../../../src/archive/network-file.ts';

test.each([
  ['digits.onnx', '/store/digits.onnx', 'digits'],
  ['latest.onnx', '/store/digits-7.onnx', 'latest'],
  ['sub/my net.onnx', '/store/sub/my net.onnx', 'my_net'],
  ['https://host/digits.onnx?key=1', '/store/digits.onnx', 'digits'],
  ['.onnx', '/store/.onnx', '.onnx'],
])('the network %s at %s is called %s', (url, path, name) => {
  const { manifest, modelDir } = networkArchive(url, path);
  expect(manifest.modelName).toBe(name === '.onnx' ? undefined : name);
  expect(`${modelDir}/${manifest.serializedFile}`).toBe(path);
});
