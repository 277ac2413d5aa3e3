// The digits example, served: through HTTP the network answers with the accuracy and the numbers that torch gets without a server.
// Real weights, real images and a real handler are the point; how the API words its answers is tested elsewhere.

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeGreyPng } from '../support/png.ts';
import { startServer } from '../support/sconce-server.ts';
import { torchPython } from '../support/torch.ts';

const DIGITS = fileURLToPath(new URL('../../examples/digits/', import.meta.url));
const NAMES = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];

interface HeldOut {
  readonly accuracy: number;
  readonly images: readonly { readonly label: number; readonly predicted: number; readonly pixels: string }[];
}

/** Ten probabilities, in the order of the digits. */
type Probabilities = readonly number[];

const run = promisify(execFile);
const python = torchPython();

test('the two exports of the digits network stay below 300 kB together', async () => {
  const [torchScript, onnx] = await Promise.all([
    stat(`${DIGITS}model/digits.pt`),
    stat(`${DIGITS}onnx-model/digits.onnx`),
  ]);
  expect(torchScript.size + onnx.size).toBeLessThan(300_000);
});

describe.skipIf(python === undefined)('the digits example', () => {
  let store: string;
  let server: Awaited<ReturnType<typeof startServer>>;
  let heldOut: HeldOut;
  let images: readonly Buffer[];
  let torchProbabilities: readonly Probabilities[];

  beforeAll(async () => {
    if (python === undefined) return;
    heldOut = JSON.parse(await readFile(`${DIGITS}held-out.json`, 'utf8'));
    images = heldOut.images.map((image) => encodeGreyPng(8, 8, greysOf(image.pixels)));
    torchProbabilities = JSON.parse((await run(python, [`${DIGITS}evaluate.py`, '--json'])).stdout);

    store = await mkdtemp(join(tmpdir(), 'sconce-digits-'));
    await run(python, [`${DIGITS}pack.py`, join(store, 'digits.mar')]);
    await cp(`${DIGITS}model`, join(store, 'digits-folder'), { recursive: true });
    server = await startServer({ modelStore: store, settings: { python } });
  });

  afterAll(async () => {
    await server?.stop();
    if (store !== undefined) await rm(store, { recursive: true, force: true });
  });

  test('torch itself reads at least 97 % of the held-out digits, and what held-out.json says it reads', () => {
    expect(heldOut.images.length).toBeGreaterThanOrEqual(360);
    expect(heldOut.accuracy).toBeGreaterThanOrEqual(0.97);
    expectHeldOutAnswers(torchProbabilities);
  });

  test('images sent one by one over several connections get the numbers of torch', async () => {
    await withModel('url=digits.mar&initial_workers=1&synchronous=true&batch_size=1', async () => {
      expectHeldOutAnswers(await predictAll(images, 4));
    });
  });

  test('images that share batches of eight get the numbers of torch', async () => {
    await withModel('url=digits.mar&initial_workers=1&synchronous=true&batch_size=8', async () => {
      expectHeldOutAnswers(await predictAll(images, 32));
    });
  });

  test('the folder is served as it is, and reads the larger sample images', async () => {
    const files = (await readdir(`${DIGITS}samples`)).sort();
    expect(files).toHaveLength(12);
    const samples = await Promise.all(files.map((file) => readFile(`${DIGITS}samples/${file}`)));
    await withModel('url=digits-folder&initial_workers=1&synchronous=true', async () => {
      const read = (await predictAll(samples, 2)).map(mostLikely);
      // The last digit of a name is what the network reads: 7 in `7.png`, 5 in `misread-3-as-5.png`.
      expect(read).toEqual(files.map((file) => Number(/(\d)\.png$/.exec(file)?.[1])));
    });
  });

  async function withModel(parameters: string, use: () => Promise<void>): Promise<void> {
    const registered = await fetch(`${server.management}/models?${parameters}`, { method: 'POST' });
    expect(registered.status, await registered.text()).toBe(200);
    try {
      await use();
    } finally {
      const unregistered = await fetch(`${server.management}/models/digits`, { method: 'DELETE' });
      expect(unregistered.status, await unregistered.text()).toBe(200);
    }
  }

  /** Sends each image in a request of its own, with so many requests under way at a time. */
  async function predictAll(bodies: readonly Buffer[], connections: number): Promise<Probabilities[]> {
    const answers: Probabilities[] = [];
    const waiting = bodies.entries();
    const connection = async (): Promise<void> => {
      for (const [index, body] of waiting) answers[index] = await predict(body);
    };
    await Promise.all(Array.from({ length: connections }, connection));
    return answers;
  }

  /** The request of `curl -T image.png`: a PUT of the bytes, with no content type. */
  async function predict(body: Buffer): Promise<Probabilities> {
    const response = await fetch(`${server.inference}/predictions/digits`, {
      method: 'PUT',
      body: new Uint8Array(body),
    });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    const byName: Record<string, number> = JSON.parse(text);
    expect(Object.keys(byName).sort()).toEqual([...NAMES].sort());
    return NAMES.map((name) => byName[name] ?? Number.NaN);
  }

  function expectHeldOutAnswers(answers: readonly Probabilities[]): void {
    const read = answers.map(mostLikely);
    expect(read).toEqual(heldOut.images.map((image) => image.predicted));
    const right = heldOut.images.filter((image, index) => image.label === read[index]).length;
    expect(right / heldOut.images.length).toBe(heldOut.accuracy);
    expect(largestDifference(answers, torchProbabilities)).toBeLessThan(1e-5);
  }
});

/** An image of held-out.json, one base-17 digit of ink a pixel, as grey levels from 0 to 255. */
function greysOf(pixels: string): Uint8Array {
  return Uint8Array.from(pixels, (digit) => Math.round((Number.parseInt(digit, 17) * 255) / 16));
}

function mostLikely(probabilities: Probabilities): number {
  return probabilities.indexOf(Math.max(...probabilities));
}

function largestDifference(left: readonly Probabilities[], right: readonly Probabilities[]): number {
  expect(left).toHaveLength(right.length);
  return Math.max(...left.flatMap((row, i) => row.map((value, j) => Math.abs(value - (right[i]?.[j] ?? Number.NaN)))));
}
