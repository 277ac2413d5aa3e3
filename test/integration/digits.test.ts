// The digits example, served: through HTTP the network answers with the accuracy and the numbers that torch gets without a server.
// Real weights, real images and a real handler are the point; how the API words its answers is tested elsewhere.

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  askAll,
  DIGITS,
  expectHeldOutClasses,
  type HeldOut,
  largestDifference,
  mostLikely,
  pngOf,
  type Readings,
  readHeldOut,
  readPng,
} from '../support/digits.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { torchPython } from '../support/torch.ts';

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
  let server: TestServer;
  let heldOut: HeldOut;
  let images: readonly Buffer[];
  let torchProbabilities: readonly Readings[];

  beforeAll(async () => {
    if (python === undefined) return;
    heldOut = await readHeldOut();
    images = heldOut.images.map(pngOf);
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
    expectNumbersOfTorch(torchProbabilities);
  });

  test('images sent one by one over several connections get the numbers of torch', async () => {
    await withModel('url=digits.mar&initial_workers=1&synchronous=true&batch_size=1', async () => {
      expectNumbersOfTorch(await predictAll(images, 4));
    });
  });

  test('images that share batches of eight get the numbers of torch', async () => {
    await withModel('url=digits.mar&initial_workers=1&synchronous=true&batch_size=8', async () => {
      expectNumbersOfTorch(await predictAll(images, 32));
    });
  });

  test('the folder is served as it is, and reads the larger sample images', async () => {
    const files = (await readdir(`${DIGITS}samples`)).filter((file) => file.endsWith('.png')).sort();
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

  function predictAll(bodies: readonly Buffer[], connections: number): Promise<Readings[]> {
    return askAll(bodies, connections, (body) => readPng(`${server.inference}/predictions/digits`, body));
  }

  function expectNumbersOfTorch(answers: readonly Readings[]): void {
    expectHeldOutClasses(answers, heldOut);
    expect(largestDifference(answers, torchProbabilities)).toBeLessThan(1e-5);
  }
});
