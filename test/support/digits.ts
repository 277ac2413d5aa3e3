// The digits example as tests see it: its held-out images, what torch reads in them, and the asking of a model about all of them.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { encodeGreyPng } from './png.ts';

/** The folder of the example; ends in a slash. */
export const DIGITS = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
export const DIGIT_NAMES: readonly string[] = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
];

/** held-out.json: images that training never saw, one base-17 digit of ink a pixel, and what torch reads in them. */
export interface HeldOut {
  readonly accuracy: number;
  readonly images: readonly HeldOutImage[];
}

export interface HeldOutImage {
  readonly label: number;
  readonly predicted: number;
  readonly pixels: string;
}

/** Ten numbers, in the order of the digits: probabilities or scores. */
export type Readings = readonly number[];

export async function readHeldOut(): Promise<HeldOut> {
  return JSON.parse(await readFile(`${DIGITS}held-out.json`, 'utf8'));
}

/** The image as a PNG of 8 x 8 pixels. */
export function pngOf(image: HeldOutImage): Buffer {
  return encodeGreyPng(8, 8, greysOf(image));
}

/** The image as the network takes it: 64 levels from 0 to 1. */
export function levelsOf(image: HeldOutImage): Float32Array {
  return Float32Array.from(greysOf(image), (grey) => grey / 255);
}

/** What `ask` gives for each item, in order, with so many under way at a time. */
export async function askAll<Item, Answer>(
  items: readonly Item[],
  connections: number,
  ask: (item: Item) => Promise<Answer>,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  const waiting = items.entries();
  const connection = async (): Promise<void> => {
    for (const [index, item] of waiting) answers[index] = await ask(item);
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return answers;
}

/** The request of `curl -T image.png`, a PUT of the bytes with no content type, to a model that answers by the names of the digits. */
export async function readPng(url: string, png: Uint8Array): Promise<Readings> {
  const response = await fetch(url, { method: 'PUT', body: new Uint8Array(png) });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const byName: Record<string, number> = JSON.parse(text);
  expect(Object.keys(byName).sort()).toEqual([...DIGIT_NAMES].sort());
  return DIGIT_NAMES.map((name) => byName[name] ?? Number.NaN);
}

/** The readings are those of torch, image by image, and so right as often as held-out.json says. */
export function expectHeldOutClasses(readings: readonly Readings[], heldOut: HeldOut): void {
  const read = readings.map(mostLikely);
  expect(read).toEqual(heldOut.images.map((image) => image.predicted));
  const right = heldOut.images.filter((image, index) => image.label === read[index]).length;
  expect(right / heldOut.images.length).toBe(heldOut.accuracy);
}

export function mostLikely(readings: Readings): number {
  return readings.indexOf(Math.max(...readings));
}

export function largestDifference(left: readonly Readings[], right: readonly Readings[]): number {
  expect(left).toHaveLength(right.length);
  return Math.max(...left.flatMap((row, i) => row.map((value, j) => Math.abs(value - (right[i]?.[j] ?? Number.NaN)))));
}

function greysOf({ pixels }: HeldOutImage): Uint8Array {
  return Uint8Array.from(pixels, (digit) => Math.round((Number.parseInt(digit, 17) * 255) / 16));
}
