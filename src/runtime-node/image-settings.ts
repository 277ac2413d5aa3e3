// The `image:` section of model-config.yaml: how a picture becomes an input tensor.
import type { TensorDatatype } from '../core/model-signature.ts';
import { RESAMPLE_FILTERS, type ResampleFilter } from './resample.ts';
import type { SettingsSection } from './settings-section.ts';
import type { TensorSpec } from './tensor-spec.ts';

export const IMAGE_KEYS = [
  'input',
  'width',
  'height',
  'resize',
  'crop',
  'color',
  'background',
  'scale',
  'mean',
  'std',
  'layout',
  'maxPixels',
] as const;

export interface ImageSettings {
  readonly inputName: string;
  readonly datatype: ImageDatatype;
  /** Axes of the input without its batch axis: channels first or last. */
  readonly layout: 'NCHW' | 'NHWC';
  /** Whether the input has a batch axis, which one image is one row of. */
  readonly hasBatchAxis: boolean;
  /** What is cut out of the middle, or what the image is resized to; undefined leaves the size of the image. */
  readonly size: { readonly width: number; readonly height: number } | undefined;
  readonly filter: ResampleFilter;
  /** The shorter side is resized to this; undefined resizes to `size`, or not at all before a crop. */
  readonly shorterSide: number | undefined;
  readonly hasCrop: boolean;
  readonly color: 'RGB' | 'BGR' | 'grey';
  /** What transparent images are laid on: red, green, blue from 0 to 255. */
  readonly background: readonly number[];
  /** Each level becomes (level × scale − mean) / std; `mean` and `std` have one value for each channel. */
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** A larger image is refused before it is decoded. */
  readonly maxPixels: number;
}

const IMAGE_DATATYPES = ['FP32', 'FP64', 'FP16', 'UINT8'] as const;

export type ImageDatatype = (typeof IMAGE_DATATYPES)[number];

/** What Pillow warns of: about a quarter of a gigabyte of RGB. */
const DEFAULT_MAX_PIXELS = 89_478_485;

/** Throws LoadError, naming the setting. */
export function imageSettings(section: SettingsSection, inputs: readonly TensorSpec[]): ImageSettings {
  const input = inputOf(section, inputs);
  const datatype = IMAGE_DATATYPES.find((candidate) => candidate === (input.datatype as TensorDatatype));
  if (datatype === undefined)
    throw section.invalid(
      'input',
      `is ${input.name}, of ${input.datatype}; images become ${IMAGE_DATATYPES.join(', ')}.`,
    );
  const layout = section.choice('layout', ['NCHW', 'NHWC']) ?? 'NCHW';
  if (input.shape.length !== 4 && input.shape.length !== 3) {
    throw section.invalid('input', `is ${input.name}, which has ${input.shape.length} dimensions; images need 3 or 4.`);
  }
  const [channels, modelHeight, modelWidth] = channelsFirst(input.shape.slice(-3), layout);
  const color = section.choice('color', ['RGB', 'BGR', 'grey']) ?? (channels === 1 ? 'grey' : 'RGB');
  const ownChannels = color === 'grey' ? 1 : 3;
  if (channels !== -1 && channels !== ownChannels) {
    const message = `is ${color}, of ${ownChannels} channels, but ${input.name} takes ${channels} (layout ${layout}).`;
    throw section.invalid('color', message);
  }
  const width = sideOf(section, 'width', modelWidth, input.name);
  const height = sideOf(section, 'height', modelHeight, input.name);
  if ((width === undefined) !== (height === undefined))
    throw section.invalid('width', 'and height belong together: give both, or neither.');
  const resize = section.section('resize', ['shorterSide', 'filter']);
  const shorterSide = resize.whole('shorterSide', 1);
  const hasCrop = (section.choice('crop', ['center', 'none']) ?? 'none') === 'center';
  if (hasCrop && width === undefined) throw section.invalid('crop', 'center needs width and height.');
  if (shorterSide !== undefined && !hasCrop && width !== undefined) {
    throw section.invalid('resize', 'shorterSide leaves the other side free; it needs crop: center for a fixed size.');
  }
  const scale = section.number('scale') ?? (datatype === 'UINT8' ? 1 : 1 / 255);
  const std = perChannel(section, 'std', 1, ownChannels);
  if (std.includes(0)) throw section.invalid('std', 'must not be 0: levels are divided by it.');
  return {
    inputName: input.name,
    datatype,
    layout,
    hasBatchAxis: input.shape.length === 4,
    size: width === undefined || height === undefined ? undefined : { width, height },
    filter: resize.choice('filter', RESAMPLE_FILTERS) ?? 'bilinear',
    shorterSide,
    hasCrop,
    color,
    background: backgroundOf(section),
    scale,
    mean: perChannel(section, 'mean', 0, ownChannels),
    std,
    maxPixels: section.whole('maxPixels', 1) ?? DEFAULT_MAX_PIXELS,
  };
}

function inputOf(section: SettingsSection, inputs: readonly TensorSpec[]): TensorSpec {
  const name = section.text('input');
  const [only, ...others] = inputs;
  if (name === undefined && only !== undefined && others.length === 0) return only;
  const input = inputs.find((candidate) => candidate.name === name);
  if (input !== undefined) return input;
  const names = inputs.map((candidate) => candidate.name).join(', ');
  throw section.invalid('input', `must name the input that takes images; the model has ${names}.`);
}

function channelsFirst(shape: readonly number[], layout: 'NCHW' | 'NHWC'): readonly [number, number, number] {
  const [first = -1, second = -1, third = -1] = shape;
  return layout === 'NCHW' ? [first, second, third] : [third, first, second];
}

function sideOf(section: SettingsSection, key: string, ofModel: number, inputName: string): number | undefined {
  const given = section.whole(key, 1);
  if (ofModel === -1) return given;
  if (given !== undefined && given !== ofModel)
    throw section.invalid(key, `is ${given}, but input ${inputName} takes ${ofModel}.`);
  return ofModel;
}

function perChannel(section: SettingsSection, key: string, absent: number, channels: number): readonly number[] {
  const given = section.numbers(key);
  if (given === undefined) return new Array<number>(channels).fill(absent);
  const [only = absent, ...others] = given;
  if (others.length === 0) return new Array<number>(channels).fill(only);
  if (given.length === channels) return given;
  throw section.invalid(key, `has ${given.length} values; the image has ${channels} channels.`);
}

function backgroundOf(section: SettingsSection): readonly number[] {
  const given = section.numbers('background');
  if (given === undefined) return [0, 0, 0];
  if (given.length === 3 && given.every((level) => level >= 0 && level <= 255)) return given;
  throw section.invalid('background', 'must be three levels from 0 to 255: red, green, blue.');
}
