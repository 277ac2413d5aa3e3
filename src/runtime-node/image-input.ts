// Pictures as tensors: PNG, JPEG and WebP bodies are decoded by sharp, then resized, cropped and scaled by the numbers of Pillow and
// torchvision. EXIF orientation and colour profiles are left aside, as Pillow does.
import type { Sharp } from 'sharp';
import { halfFromNumber, roundHalfEven } from './half.ts';
import { imageKind, imageSamples } from './image-kind.ts';
import type { ImageSettings } from './image-settings.ts';
import { LoadError } from './load-error.ts';
import { RequestError } from './request-error.ts';
import { type Pixels, resample } from './resample.ts';
import { type NumberArray, newTensorData, type Tensor } from './tensor.ts';

export interface ImageInput {
  readonly inputName: string;
  /** Whether the tensor has a batch axis that the request's one image does not speak of. */
  readonly isBare: boolean;
  /** Whether these bytes begin like a picture of a kind that can be read. */
  recognises(bytes: Uint8Array): boolean;
  /** Rejects with a RequestError for bytes that are not a whole picture, and for pictures that are too large. */
  read(bytes: Uint8Array): Promise<Tensor>;
}

/** Rejects with a LoadError when sharp is not there. */
export async function openImageInput(settings: ImageSettings): Promise<ImageInput> {
  const sharp = await importSharp();
  // Pictures of the same bytes are not worth keeping, and a batch's pictures are decoded side by side anyway.
  sharp.cache(false);
  return {
    inputName: settings.inputName,
    isBare: settings.hasBatchAxis,
    recognises: (bytes) => imageKind(bytes) !== undefined,
    read: async (bytes) => {
      if (imageKind(bytes) === undefined) throw new RequestError('The image is none of PNG, JPEG and WebP.');
      let decoded: Pixels;
      try {
        const options = { limitInputPixels: settings.maxPixels, failOn: 'error', ignoreIcc: true } as const;
        decoded = await decode(sharp(bytes, options), imageSamples(bytes), settings.background);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        const isTooLarge = /pixel limit/i.test(text);
        if (isTooLarge) {
          throw new RequestError(
            `The image has more than ${settings.maxPixels} pixels, the limit image.maxPixels.`,
            413,
          );
        }
        throw new RequestError(`The image cannot be decoded: ${text.split('\n')[0]?.trim() ?? ''}.`);
      }
      return tensorOf(prepared(decoded, settings), settings);
    },
  };
}

async function importSharp() {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    const text = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new LoadError(
      'HANDLER_INITIALIZE_FAILED',
      `The image section of model-config.yaml needs the package sharp, which cannot be imported (${text}). Run: npm install sharp`,
    );
  }
}

/** The levels of a picture. Rejects with sharp's error for one that cannot be decoded. */
async function decode(
  picture: Sharp,
  samples: ReturnType<typeof imageSamples>,
  [red = 0, green = 0, blue = 0]: readonly number[],
): Promise<Pixels> {
  switch (samples) {
    case 'cmyk':
      return fromInks(await levelsOf(picture.pipelineColourspace('cmyk').toColourspace('cmyk'), 'uchar'));
    case 'grey16':
      return cutAt255(await levelsOf(picture.toColourspace('grey16'), 'ushort'));
    case 'usual': {
      const flat = picture.flatten({ background: { r: red, g: green, b: blue } });
      return levelsOf(flat.toColourspace('srgb'), 'uchar');
    }
  }
}

async function levelsOf(picture: Sharp, depth: 'uchar' | 'ushort'): Promise<Pixels> {
  const { data, info } = await picture.raw({ depth }).toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data };
}

/** Cyan, magenta, yellow and black as red, green and blue by Pillow's arithmetic, which knows no colour profiles. */
function fromInks({ width, height, channels, data }: Pixels): Pixels {
  const out = new Uint8Array(width * height * 3);
  for (let index = 0; index < width * height; index += 1) {
    const at = index * channels;
    const light = 255 - (data[at + 3] ?? 0);
    for (let channel = 0; channel < 3; channel += 1) {
      const product = (data[at + channel] ?? 0) * light + 128;
      out[index * 3 + channel] = Math.max(0, light - (((product >> 8) + product) >> 8));
    }
  }
  return { width, height, channels: 3, data: out };
}

/** Levels of 16 bits, of which Pillow keeps those up to 255 and makes all above white. `data` holds them as bytes. */
function cutAt255({ width, height, channels, data }: Pixels): Pixels {
  const wide = new Uint16Array(Uint8Array.from(data).buffer);
  return { width, height, channels, data: Uint8Array.from(wide, (level) => Math.min(255, level)) };
}

/** The picture in the model's colours and size. */
function prepared(decoded: Pixels, settings: ImageSettings): Pixels {
  const colored = settings.color === 'grey' ? grey(decoded) : threeChannels(decoded);
  const { size, filter, shorterSide, hasCrop } = settings;
  if (shorterSide !== undefined) {
    const [width, height] = withShorterSide(colored, shorterSide);
    refuseBlowUp(colored, width, height, settings.maxPixels);
    const resized = resample(colored, width, height, filter);
    return hasCrop && size !== undefined ? centerCrop(resized, size.width, size.height) : resized;
  }
  if (size === undefined) return colored;
  return hasCrop ? centerCrop(colored, size.width, size.height) : resample(colored, size.width, size.height, filter);
}

/** A line of few pixels, resized by its shorter side, is a picture of many gigabytes. */
function refuseBlowUp(from: Pixels, width: number, height: number, maxPixels: number): void {
  if (width * height <= maxPixels) return;
  throw new RequestError(
    `The image has ${from.width} x ${from.height} pixels; resized it would have ${width} x ${height}, more than image.maxPixels (${maxPixels}).`,
    413,
  );
}

function withShorterSide({ width, height }: Pixels, side: number): readonly [number, number] {
  const long = Math.trunc((side * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? [side, long] : [long, side];
}

/** The middle of the picture; what lies beyond its edges is black. */
function centerCrop({ width, height, channels, data }: Pixels, cropWidth: number, cropHeight: number): Pixels {
  if (width === cropWidth && height === cropHeight) return { width, height, channels, data };
  const out = new Uint8Array(cropWidth * cropHeight * channels);
  const left = cropOffset(width, cropWidth);
  const top = cropOffset(height, cropHeight);
  const from = Math.max(0, left);
  const to = Math.min(width, left + cropWidth);
  for (let y = Math.max(0, top); y < Math.min(height, top + cropHeight); y += 1) {
    const row = data.subarray((y * width + from) * channels, (y * width + to) * channels);
    out.set(row, ((y - top) * cropWidth + from - left) * channels);
  }
  return { width: cropWidth, height: cropHeight, channels, data: out };
}

/** Where the crop begins; negative by the padding that torchvision puts there first. */
function cropOffset(size: number, cropSize: number): number {
  return size < cropSize ? -Math.floor((cropSize - size) / 2) : roundHalfEven((size - cropSize) / 2);
}

/** Levels of grey by the weights of ITU-R 601, in whole numbers as Pillow has them. */
function grey(pixels: Pixels): Pixels {
  const { width, height, channels, data } = pixels;
  if (channels === 1) return pixels;
  const out = new Uint8Array(width * height);
  for (let index = 0; index < out.length; index += 1) {
    const at = index * channels;
    const sum = (data[at] ?? 0) * 19595 + (data[at + 1] ?? 0) * 38470 + (data[at + 2] ?? 0) * 7471;
    out[index] = channels < 3 ? (data[at] ?? 0) : (sum + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: out };
}

function threeChannels(pixels: Pixels): Pixels {
  const { width, height, channels, data } = pixels;
  if (channels === 3) return pixels;
  const out = new Uint8Array(width * height * 3);
  for (let index = 0; index < width * height; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      out[index * 3 + channel] = data[index * channels + (channels > 3 ? channel : 0)] ?? 0;
    }
  }
  return { width, height, channels: 3, data: out };
}

function tensorOf({ width, height, channels, data }: Pixels, settings: ImageSettings): Tensor {
  const { datatype, layout, color, scale, mean, std } = settings;
  const pixelCount = width * height;
  const values = newTensorData(datatype, pixelCount * channels) as NumberArray;
  for (let channel = 0; channel < channels; channel += 1) {
    const source = color === 'BGR' ? channels - 1 - channel : channel;
    const levels = levelValues(scale, mean[channel] ?? 0, std[channel] ?? 1, datatype);
    const [start, step] = layout === 'NCHW' ? [channel * pixelCount, 1] : [channel, channels];
    for (let index = 0; index < pixelCount; index += 1) {
      values[start + index * step] = levels[data[index * channels + source] ?? 0] ?? 0;
    }
  }
  const sample = layout === 'NCHW' ? [channels, height, width] : [height, width, channels];
  return { datatype, shape: settings.hasBatchAxis ? [1, ...sample] : sample, data: values };
}

/** What each of the 256 levels becomes: one look-up a pixel instead of the arithmetic. */
function levelValues(scale: number, mean: number, std: number, datatype: ImageSettings['datatype']): readonly number[] {
  return Array.from({ length: 256 }, (_, level) => {
    const value = (level * scale - mean) / std;
    if (datatype === 'FP16') return halfFromNumber(value);
    return datatype === 'UINT8' ? Math.min(255, Math.max(0, Math.round(value))) : value;
  });
}
