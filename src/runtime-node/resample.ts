// Resizing of 8-bit images by the numbers of Pillow: separable filters whose support widens when an image shrinks, each of the two passes
// rounded to whole levels. Models are trained on those numbers, and other libraries give others.

/** Pixels row by row, their channels side by side. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

export const RESAMPLE_FILTERS = ['nearest', 'box', 'bilinear', 'bicubic', 'lanczos'] as const;

export type ResampleFilter = (typeof RESAMPLE_FILTERS)[number];

interface Kernel {
  /** Half of its width, in pixels of the target. */
  readonly support: number;
  weight(distance: number): number;
}

const KERNELS: Readonly<Record<Exclude<ResampleFilter, 'nearest'>, Kernel>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Fractional bits of the whole-number weights. */
const PRECISION_BITS = 22;

/** The image in another size; the same object when the size is the same. */
export function resample(pixels: Pixels, width: number, height: number, filter: ResampleFilter): Pixels {
  if (width === pixels.width && height === pixels.height) return pixels;
  if (filter === 'nearest') return nearest(pixels, width, height);
  const kernel = KERNELS[filter];
  const narrow = width === pixels.width ? pixels : resizeRows(pixels, width, kernel);
  return height === narrow.height ? narrow : resizeColumns(narrow, height, kernel);
}

/** For each target position the first source position that counts, and the weights from there on. */
interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `stride` weights for each target position. */
  readonly weights: Int32Array;
  readonly stride: number;
}

function tapsOf(sourceSize: number, targetSize: number, kernel: Kernel): Taps {
  const scale = sourceSize / targetSize;
  const stretch = Math.max(1, scale);
  const support = kernel.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(targetSize);
  const counts = new Int32Array(targetSize);
  const weights = new Int32Array(targetSize * stride);
  const row = new Float64Array(stride);
  for (let target = 0; target < targetSize; target += 1) {
    const centre = (target + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const end = Math.min(sourceSize, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let source = start; source < end; source += 1) {
      const weight = kernel.weight((source - centre + 0.5) / stretch);
      row[source - start] = weight;
      sum += weight;
    }
    starts[target] = start;
    counts[target] = end - start;
    for (let index = 0; index < end - start; index += 1) {
      const weight = sum === 0 ? 0 : (row[index] ?? 0) / sum;
      weights[target * stride + index] = Math.trunc(weight * 2 ** PRECISION_BITS + (weight < 0 ? -0.5 : 0.5));
    }
  }
  return { starts, counts, weights, stride };
}

function resizeRows({ width, height, channels, data }: Pixels, targetWidth: number, kernel: Kernel): Pixels {
  const { starts, counts, weights, stride } = tapsOf(width, targetWidth, kernel);
  const out = new Uint8Array(targetWidth * height * channels);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < targetWidth; x += 1) {
      const from = (y * width + (starts[x] ?? 0)) * channels;
      const count = counts[x] ?? 0;
      const to = (y * targetWidth + x) * channels;
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 1 << (PRECISION_BITS - 1);
        for (let tap = 0; tap < count; tap += 1) {
          sum += (data[from + tap * channels + channel] ?? 0) * (weights[x * stride + tap] ?? 0);
        }
        out[to + channel] = level(sum);
      }
    }
  }
  return { width: targetWidth, height, channels, data: out };
}

function resizeColumns({ width, height, channels, data }: Pixels, targetHeight: number, kernel: Kernel): Pixels {
  const { starts, counts, weights, stride } = tapsOf(height, targetHeight, kernel);
  const rowSize = width * channels;
  const out = new Uint8Array(targetHeight * rowSize);
  for (let y = 0; y < targetHeight; y += 1) {
    const from = (starts[y] ?? 0) * rowSize;
    const count = counts[y] ?? 0;
    for (let x = 0; x < rowSize; x += 1) {
      let sum = 1 << (PRECISION_BITS - 1);
      for (let tap = 0; tap < count; tap += 1) {
        sum += (data[from + tap * rowSize + x] ?? 0) * (weights[y * stride + tap] ?? 0);
      }
      out[y * rowSize + x] = level(sum);
    }
  }
  return { width, height: targetHeight, channels, data: out };
}

function nearest({ width, height, channels, data }: Pixels, targetWidth: number, targetHeight: number): Pixels {
  const out = new Uint8Array(targetWidth * targetHeight * channels);
  for (let y = 0; y < targetHeight; y += 1) {
    const sourceY = Math.min(height - 1, Math.floor(((y + 0.5) * height) / targetHeight));
    for (let x = 0; x < targetWidth; x += 1) {
      const sourceX = Math.min(width - 1, Math.floor(((x + 0.5) * width) / targetWidth));
      for (let channel = 0; channel < channels; channel += 1) {
        out[(y * targetWidth + x) * channels + channel] = data[(sourceY * width + sourceX) * channels + channel] ?? 0;
      }
    }
  }
  return { width: targetWidth, height: targetHeight, channels, data: out };
}

function level(sum: number): number {
  const value = Math.floor(sum / 2 ** PRECISION_BITS);
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** The cubic with a = −0.5. */
function cubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x < 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
