import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readNetworkSignature, UnusableNetwork } from '../../../src/archive/onnx-signature.ts';
import { type ElementType, identityNetwork, linearNetwork } from '../../support/tiny-onnx.ts';

/** The bytes in chunks of this size, as they might come from a disk. */
async function* chunksOf(bytes: Uint8Array, chunkBytes = 64) {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield Buffer.from(bytes.subarray(at, at + chunkBytes));
}

it.each([1, 7, 100_000])('reads names, types and shapes, however the bytes come (%i at a time)', async (chunkBytes) => {
  const types: readonly ElementType[] = ['FP32', 'UINT8', 'INT64', 'BYTES', 'BOOL', 'FP16', 'BF16'];
  const network = identityNetwork(types.map((type) => ({ name: type.toLowerCase(), type, shape: ['batch', 3, ''] })));
  const signature = await readNetworkSignature(chunksOf(network, chunkBytes));
  expect(signature.opset).toBe(13);
  expect(signature.inputs).toEqual(
    types.map((type) => ({ name: type.toLowerCase(), datatype: type, shape: ['batch', 3, '?'] })),
  );
  expect(signature.outputs.map(({ name }) => name)).toEqual(types.map((type) => `${type.toLowerCase()}_out`));
});

it('passes over weights', async () => {
  const signature = await readNetworkSignature(chunksOf(linearNetwork([[1, 2, 3]], [0, 0, 0])));
  expect(signature.inputs).toEqual([{ name: 'size', datatype: 'FP32', shape: ['batch', 1] }]);
  expect(signature.outputs).toEqual([{ name: 'scores', datatype: 'FP32', shape: ['batch', 3] }]);
});

it('refuses a file that ends too early, wherever that is', async () => {
  const network = linearNetwork([[1, 2, 3]], [0, 0, 0]);
  // Without its last fields the file is shorter and still whole.
  const graphEnd = network.length - 10;
  for (let length = 0; length < graphEnd; length += 3) {
    await expect(readNetworkSignature(chunksOf(network.subarray(0, length)))).rejects.toThrow(UnusableNetwork);
  }
});

it('refuses what is no network in words', async () => {
  await expect(readNetworkSignature(chunksOf(Buffer.from('PK\x03\x04 something else')))).rejects.toThrow(
    /^(is no ONNX network, or is damaged|holds no graph)/,
  );
  await expect(readNetworkSignature(chunksOf(Buffer.alloc(0)))).rejects.toThrow('holds no graph');
});

it('answers or refuses, and does nothing else, for networks with any bytes changed', async () => {
  const network = identityNetwork([{ name: 'x', type: 'FP32', shape: ['batch', 3] }]);
  const changes = fc.array(fc.tuple(fc.nat(network.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(changes, async (some) => {
      const bytes = Buffer.from(network);
      for (const [at, value] of some) bytes[at] = value;
      const outcome = await readNetworkSignature(chunksOf(bytes)).catch((thrown: unknown) => thrown);
      return (
        outcome instanceof UnusableNetwork || (typeof outcome === 'object' && outcome !== null && 'inputs' in outcome)
      );
    }),
    { numRuns: 500 },
  );
});
