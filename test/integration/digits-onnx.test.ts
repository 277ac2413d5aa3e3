// The digits network as ONNX, served without Python: pictures and tensors in every form get what torch reads in them, with its numbers.
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  askAll,
  DIGITS,
  expectHeldOutClasses,
  type HeldOut,
  type HeldOutImage,
  largestDifference,
  levelsOf,
  mostLikely,
  pngOf,
  type Readings,
  readHeldOut,
  readPng,
} from '../support/digits.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { torchPython } from '../support/torch.ts';

const python = torchPython();

let store: string;
let server: TestServer;
let heldOut: HeldOut;

beforeAll(async () => {
  heldOut = await readHeldOut();
  store = await mkdtemp(join(tmpdir(), 'sconce-digits-onnx-'));
  await cp(`${DIGITS}onnx-model`, join(store, 'words'), { recursive: true });
  await copyFile(`${DIGITS}onnx-model/digits.onnx`, join(store, 'scores.onnx'));
  server = await startServer({ modelStore: store });
  await register('url=words&model_name=words');
  await register('url=scores.onnx&batch_size=8');
});

afterAll(async () => {
  await server?.stop();
  if (store !== undefined) await rm(store, { recursive: true, force: true });
});

describe('pictures', () => {
  test.each([1, 32])('get the classes of torch, %i at a time', async (connections) => {
    const readings = await askAll(heldOut.images, connections, readPicture);
    expectHeldOutClasses(readings, heldOut);
  });

  test.skipIf(python === undefined)('get the probabilities of torch', async () => {
    if (python === undefined) return;
    const { stdout } = await promisify(execFile)(python, [`${DIGITS}evaluate.py`, '--json']);
    const ofTorch: readonly Readings[] = JSON.parse(stdout);
    expect(largestDifference(await askAll(heldOut.images, 32, readPicture), ofTorch)).toBeLessThan(1e-5);
  });

  test('of larger size, the samples of the example, are read as torch reads them', async () => {
    const files = (await readdir(`${DIGITS}samples`)).filter((file) => file.endsWith('.png')).sort();
    expect(files).toHaveLength(12);
    const url = `${server.inference}/predictions/words`;
    const readings = await askAll(files, 2, async (file) => readPng(url, await readFile(`${DIGITS}samples/${file}`)));
    // The last digit of a name is what the network reads: 7 in `7.png`, 5 in `misread-3-as-5.png`.
    expect(readings.map(mostLikely)).toEqual(files.map((file) => Number(/(\d)\.png$/.exec(file)?.[1])));
  });
});

describe('tensors', () => {
  test.each([1, 32])('in JSON get the classes of torch, %i at a time', async (connections) => {
    const readings = await askAll(heldOut.images, connections, async (image) => {
      // One sample without its batch axis, as one flat list.
      const body = JSON.stringify([...levelsOf(image)]);
      return (await ask('predictions/scores', body, { 'content-type': 'application/json' })).json();
    });
    expectHeldOutClasses(readings as Readings[], heldOut);
  });

  test('in raw bytes get the classes of torch', async () => {
    const readings = await askAll(heldOut.images, 32, async (image) => {
      const headers = { 'content-type': 'application/octet-stream', accept: 'application/octet-stream' };
      const response = await ask('predictions/scores', bytesOf(levelsOf(image)), headers);
      return [...floatsOf(await response.arrayBuffer())];
    });
    expectHeldOutClasses(readings, heldOut);
  });

  test('in the JSON of the Open Inference Protocol get the classes of torch', async () => {
    const readings = await askAll(heldOut.images, 32, async (image) => {
      const data = [...levelsOf(image)];
      const body = JSON.stringify({ inputs: [{ name: 'image', datatype: 'FP32', shape: [1, 1, 8, 8], data }] });
      const answer = await (await ask('v2/models/scores/infer', body)).json();
      expect(answer).toMatchObject({ model_name: 'scores', outputs: [{ name: 'scores', shape: [1, 10] }] });
      return (answer as { outputs: readonly { data: Readings }[] }).outputs[0]?.data ?? [];
    });
    expectHeldOutClasses(readings, heldOut);
  });

  test('in one binary request with all images in it get the classes of torch', async () => {
    const levels = Float32Array.from(heldOut.images.flatMap((image) => [...levelsOf(image)]));
    const shape = [heldOut.images.length, 1, 8, 8];
    const parameters = { binary_data_size: levels.byteLength };
    const head = JSON.stringify({
      inputs: [{ name: 'image', datatype: 'FP32', shape, parameters }],
      parameters: { binary_data_output: true },
    });
    const response = await ask('v2/models/scores/infer', Buffer.concat([Buffer.from(head), bytesOf(levels)]), {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(Buffer.byteLength(head)),
    });
    const headLength = Number(response.headers.get('inference-header-content-length'));
    const scores = floatsOf((await response.arrayBuffer()).slice(headLength));
    const readings = heldOut.images.map((_, index) => [...scores.subarray(index * 10, index * 10 + 10)]);
    expectHeldOutClasses(readings, heldOut);
  });
});

function readPicture(image: HeldOutImage): Promise<Readings> {
  return readPng(`${server.inference}/predictions/words`, pngOf(image));
}

async function register(parameters: string): Promise<void> {
  const url = `${server.management}/models?${parameters}&initial_workers=1&synchronous=true`;
  const response = await fetch(url, { method: 'POST' });
  expect(response.status, await response.text()).toBe(200);
}

async function ask(
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const response = await fetch(`${server.inference}/${path}`, { method: 'POST', body, headers });
  expect(response.status, response.ok ? '' : await response.text()).toBe(200);
  return response;
}

function bytesOf(levels: Float32Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new Uint8Array(levels.buffer, levels.byteOffset, levels.byteLength));
}

function floatsOf(bytes: ArrayBuffer): Float32Array {
  return new Float32Array(bytes);
}
