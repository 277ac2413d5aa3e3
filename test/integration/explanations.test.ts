// Explanations through HTTP, by a built-in handler that explains: with captum (here one that is easy to check) and without it. What captum
// itself computes is not ours to test.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DIGITS } from '../support/digits.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { torchPython } from '../support/torch.ts';

const python = torchPython();

/** Attributes to every pixel what the class that is asked for has as its number. */
const CAPTUM = `
class IntegratedGradients:
    def __init__(self, model):
        assert callable(model)

    def attribute(self, inputs, target=None, n_steps=50):
        import torch
        return torch.full_like(inputs, float(target))
`;

describe.skipIf(python === undefined)('explanations', () => {
  let store: string;
  let server: TestServer;

  beforeAll(async () => {
    if (python === undefined) return;
    store = await mkdtemp(join(tmpdir(), 'sconce-explanations-'));
    for (const name of ['with', 'without']) {
      const folder = join(store, name);
      await cp(`${DIGITS}model`, folder, { recursive: true });
      const manifest = JSON.parse(await readFile(join(folder, 'MAR-INF', 'MANIFEST.json'), 'utf8'));
      manifest.model.modelName = name;
      await writeFile(join(folder, 'MAR-INF', 'MANIFEST.json'), JSON.stringify(manifest));
    }
    await mkdir(join(store, 'with', 'captum'));
    await writeFile(join(store, 'with', 'captum', '__init__.py'), '');
    await writeFile(join(store, 'with', 'captum', 'attr.py'), CAPTUM);
    server = await startServer({
      modelStore: store,
      settings: { python, load_models: 'all', default_workers_per_model: 1 },
    });
  });
  afterAll(async () => {
    await server?.stop();
    if (store !== undefined) await rm(store, { recursive: true, force: true });
  });

  async function explain(path: string, target?: string): Promise<{ status: number; text: string }> {
    const form = new FormData();
    form.set('data', new Blob([await readFile(`${DIGITS}samples/7.png`)], { type: 'image/png' }), '7.png');
    if (target !== undefined) form.set('target', target);
    const answer = await fetch(`${server.inference}${path}`, { method: 'POST', body: form });
    return { status: answer.status, text: await answer.text() };
  }

  test.each(['/explanations/with', '/explanations/with/1.0', '/v1/models/with:explain'])(
    '%s answers with the attribution of each pixel to the class that is asked for',
    async (path) => {
      const { status, text } = await explain(path, '3');
      expect(status, text).toBe(200);
      const pixels = (JSON.parse(text) as number[][][]).flat(2);
      expect(pixels.length).toBeGreaterThan(60);
      expect(new Set(pixels)).toEqual(new Set([3]));
    },
  );

  test('a prediction of the same model stays a prediction', async () => {
    const { status, text } = await explain('/predictions/with');
    expect(status, text).toBe(200);
    expect(Object.keys(JSON.parse(text) as object)[0]).toBe('seven');
  });

  test('without captum the answer says what to install', async () => {
    const { status, text } = await explain('/explanations/without', '3');
    expect(status).toBe(501);
    expect(JSON.parse(text)).toMatchObject({
      code: 501,
      message: expect.stringMatching(/^Explanations need captum: install it for the worker's Python/),
    });
    expect((await explain('/predictions/without')).status).toBe(200);
  });

  test('a class that is none is the client`s mistake', async () => {
    const { status, text } = await explain('/explanations/with', 'cat');
    expect(status).toBe(400);
    expect(text).toContain('target must be the number of a class');
  });
});
