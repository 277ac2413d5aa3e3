import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { openImageInput } from '../../../src/runtime-node/image-input.ts';
import { IMAGE_KEYS, imageSettings } from '../../../src/runtime-node/image-settings.ts';
import { LoadError } from '../../../src/runtime-node/load-error.ts';
import { SettingsSection } from '../../../src/runtime-node/settings-section.ts';
import type { TensorSpec } from '../../../src/runtime-node/tensor-spec.ts';
import { encodeGreyPng } from '../../support/png.ts';

const inputOf = (shape: readonly number[], datatype: TensorSpec['datatype'] = 'FP32'): TensorSpec => ({
  name: 'image',
  datatype,
  shape,
  dimensions: shape,
  batchAxis: shape.length === 4 ? 0 : undefined,
});

async function read(bytes: Uint8Array, input: TensorSpec, config: object = {}) {
  const image = await openImageInput(imageSettings(new SettingsSection('image', config, IMAGE_KEYS), [input]));
  return image.read(bytes);
}

/** A picture of two pixels side by side. */
const pair = (left: readonly number[], right: readonly number[]) =>
  sharp(Uint8Array.from([...left, ...right]), { raw: { width: 2, height: 1, channels: left.length as 3 | 4 } });

const RED = [255, 0, 0] as const;
const BLUE = [0, 0, 255] as const;

describe('a picture', () => {
  test('becomes planes of levels from 0 to 1, or pixels, in the order of the colours asked for', async () => {
    const png = await pair(RED, BLUE).png().toBuffer();
    const planes = await read(png, inputOf([-1, 3, -1, -1]));
    expect(planes).toMatchObject({ shape: [1, 3, 1, 2], datatype: 'FP32' });
    expect([...planes.data]).toEqual([1, 0, 0, 0, 0, 1]);
    const pixels = await read(png, inputOf([-1, -1, -1, 3]), { layout: 'NHWC', color: 'BGR' });
    expect(pixels.shape).toEqual([1, 1, 2, 3]);
    expect([...pixels.data]).toEqual([0, 0, 1, 1, 0, 0]);
  });

  test('is scaled, and normalized by channel', async () => {
    const png = await pair(RED, BLUE).png().toBuffer();
    const config = { scale: '1/51', mean: [1, 0, 0], std: [2, 1, 5] };
    expect([...(await read(png, inputOf([1, 3, 1, 2]), config)).data]).toEqual([2, -0.5, 0, 0, 0, 1]);
  });

  test('keeps its levels for an input of bytes, and becomes halves for one of halves', async () => {
    const png = encodeGreyPng(2, 1, Uint8Array.of(7, 255));
    expect((await read(png, inputOf([1, 1, 1, 2], 'UINT8'))).data).toEqual(Uint8Array.of(7, 255));
    expect((await read(png, inputOf([1, 1, 1, 2], 'FP16'))).data).toEqual(Uint16Array.of(0x2707, 0x3c00));
    expect((await read(png, inputOf([3, 1, 2]))).shape).toEqual([3, 1, 2]);
  });

  test('of colours is grey by the weights of Pillow', async () => {
    const png = await pair(RED, [10, 200, 90]).png().toBuffer();
    expect([...(await read(png, inputOf([-1, 1, 1, 2]), { scale: 1 })).data]).toEqual([76, 131]);
  });

  test('that is transparent is laid on the background', async () => {
    const png = await pair([255, 0, 0, 0], [255, 0, 0, 255]).png().toBuffer();
    const config = { scale: 1, background: [1, 2, 3] };
    expect([...(await read(png, inputOf([-1, 3, 1, 2]), config)).data]).toEqual([1, 255, 2, 0, 3, 0]);
  });

  test('is not turned by its EXIF orientation', async () => {
    const png = await pair(RED, BLUE).withMetadata({ orientation: 6 }).png().toBuffer();
    expect((await read(png, inputOf([-1, 3, -1, -1]))).shape).toEqual([1, 3, 1, 2]);
  });

  test('smaller than the crop is padded with black around its middle', async () => {
    const png = encodeGreyPng(1, 1, Uint8Array.of(255));
    const config = { width: 3, height: 3, crop: 'center' };
    expect([...(await read(png, inputOf([-1, 1, 3, 3]), config)).data]).toEqual([0, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  test('of more pixels than the limit is refused with 413, and a cut one with 400', async () => {
    const png = encodeGreyPng(
      40,
      40,
      new Uint8Array(1600).map((_, index) => (index * 7919) % 251),
    );
    const input = inputOf([-1, 1, -1, -1]);
    await expect(read(png, input, { maxPixels: 1599 })).rejects.toMatchObject({
      status: 413,
      message: 'The image has more than 1599 pixels, the limit image.maxPixels.',
    });
    await expect(read(png, input, { maxPixels: 1600 })).resolves.toMatchObject({ shape: [1, 1, 40, 40] });
    await expect(read(png.subarray(0, png.length / 2), input)).rejects.toMatchObject({ status: 400 });
    await expect(read(Buffer.from('<svg/>'), input)).rejects.toThrow('none of PNG, JPEG and WebP');
  });

  test('that would have more pixels than the limit once its shorter side is resized is refused before it is', async () => {
    const line = encodeGreyPng(1, 1000, new Uint8Array(1000));
    const config = { width: 8, height: 8, crop: 'center', resize: { shorterSide: 100 }, maxPixels: 9_999_999 };
    await expect(read(line, inputOf([-1, 1, 8, 8]), config)).rejects.toMatchObject({
      status: 413,
      message:
        'The image has 1 x 1000 pixels; resized it would have 100 x 100000, more than image.maxPixels (9999999).',
    });
    await expect(read(line, inputOf([-1, 1, 8, 8]), { ...config, maxPixels: 1e7 })).resolves.toBeDefined();
  });
});

test.each<[string, object, RegExp]>([
  ['a mean of another number of channels', { mean: [1, 2] }, /image\.mean has 2 values; the image has 3 channels/],
  ['a division by zero', { std: 0 }, /image\.std must not be 0/],
  ['a scale that is no number', { scale: 'much' }, /image\.scale must be a number, or a fraction such as 1\/255/],
  ['half a size', { width: 8 }, /image\.width and height belong together/],
  ['a crop without a size', { crop: 'center' }, /image\.crop center needs width and height/],
  ['a shorter side without a crop', { width: 8, height: 8, resize: { shorterSide: 9 } }, /needs crop: center/],
  ['an unknown filter', { resize: { filter: 'best' } }, /image\.resize\.filter must be one of nearest, box, bilinear/],
  ['a background that is no colour', { background: [0, 0, 300] }, /image\.background must be three levels/],
  ['an input that is not there', { input: 'x' }, /image\.input must name the input/],
])('%s is refused while loading', (_, config, message) => {
  const read = () => imageSettings(new SettingsSection('image', config, IMAGE_KEYS), [inputOf([-1, 3, -1, -1])]);
  expect(read).toThrow(LoadError);
  expect(read).toThrow(message);
});
