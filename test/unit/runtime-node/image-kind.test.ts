import sharp from 'sharp';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { imageSectionMissing } from '../../../src/runtime-node/image-advice.ts';
import { openImageInput } from '../../../src/runtime-node/image-input.ts';
import { imageKind, imageSamples } from '../../../src/runtime-node/image-kind.ts';
import { IMAGE_KEYS, imageSettings } from '../../../src/runtime-node/image-settings.ts';
import { SettingsSection } from '../../../src/runtime-node/settings-section.ts';
import type { TensorSpec } from '../../../src/runtime-node/tensor-spec.ts';

const picture = () => sharp({ create: { width: 4, height: 3, channels: 3, background: '#336699' } });

test('a picture is told by its first bytes, and so are the samples of a CMYK JPEG', async () => {
  const jpeg = await picture().jpeg().toBuffer();
  const progressive = await picture().jpeg({ progressive: true }).toBuffer();
  const cmyk = await picture().toColourspace('cmyk').jpeg().toBuffer();
  expect([imageKind(jpeg), imageSamples(jpeg)]).toEqual(['JPEG', 'usual']);
  expect([imageKind(progressive), imageSamples(progressive)]).toEqual(['JPEG', 'usual']);
  expect([imageKind(cmyk), imageSamples(cmyk)]).toEqual(['JPEG', 'cmyk']);
  expect(imageKind(await picture().webp().toBuffer())).toBe('WebP');
  expect(imageSamples(await picture().png().toBuffer())).toBe('usual');
  expect(imageSamples(await picture().toColourspace('grey16').png().toBuffer())).toBe('grey16');
  expect(imageKind(Buffer.from('GIF89a'))).toBeUndefined();
});

test('a JPEG that is cut anywhere, or goes on with noise, is told apart without an error', async () => {
  const cmyk = await picture().toColourspace('cmyk').jpeg().toBuffer();
  for (let length = 0; length < cmyk.length; length += 1) imageSamples(cmyk.subarray(0, length));
  expect(imageSamples(Buffer.from([0xff, 0xd8, 0xff, ...new Array(50).fill(0xff)]))).toBe('usual');
  expect(imageSamples(Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))).toBe('usual');
});

const spec = (name: string, shape: readonly number[], datatype: TensorSpec['datatype'] = 'FP32'): TensorSpec => ({
  name,
  datatype,
  shape,
  dimensions: shape,
  batchAxis: shape.length === 4 ? 0 : undefined,
});

test.each<[string, readonly TensorSpec[]]>([
  ['fixed size', [spec('image', [-1, 3, 8, 6])]],
  ['free size', [spec('image', [-1, 3, -1, -1])]],
  ['grey', [spec('image', [1, 28, 28])]],
  ['channels last', [spec('image', [-1, 9, 9, 3], 'UINT8')]],
  ['one of several', [spec('ids', [-1, 2], 'INT64'), spec('image', [-1, 3, 8, 8])]],
])('the section that is advised for an input of %s is one that works', async (_, inputs) => {
  const advice = imageSectionMissing('A PNG picture', inputs);
  expect(advice).toContain('input "image"');
  const section = /"(image: \{.*?\})"/.exec(advice)?.[1] ?? '';
  const { image } = parse(section) as { image: object };
  const reader = await openImageInput(imageSettings(new SettingsSection('image', image, IMAGE_KEYS), inputs));
  const tensor = await reader.read(await picture().png().toBuffer());
  const taken = inputs.at(-1)?.shape ?? [];
  expect(tensor.shape.filter((_size, axis) => taken[axis] !== -1)).toEqual(taken.filter((size) => size !== -1));
});

test('a network that takes no pictures is not told to write a section', () => {
  expect(imageSectionMissing('A PNG picture', [spec('ids', [-1, 2], 'INT64')])).toBe(
    'A PNG picture came, but none of the model\'s inputs ("ids": INT64 [-1, 2]) has the shape of a picture. Send the tensor itself.',
  );
});
