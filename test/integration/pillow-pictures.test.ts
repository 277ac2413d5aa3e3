// Pictures of the kinds that decoders disagree about (inks, 16 bits, palettes) become the levels that Pillow makes of them, on which
// networks were trained.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openImageInput } from '../../src/runtime-node/image-input.ts';
import { IMAGE_KEYS, imageSettings } from '../../src/runtime-node/image-settings.ts';
import { SettingsSection } from '../../src/runtime-node/settings-section.ts';
import type { TensorSpec } from '../../src/runtime-node/tensor-spec.ts';
import { torchPython } from '../support/torch.ts';

const PICTURES = fileURLToPath(new URL('../support/pillow_pictures.py', import.meta.url));
const python = torchPython();

describe.skipIf(python === undefined)('pictures that Debian’s Pillow wrote', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sconce-pillow-'));
    await promisify(execFile)(python ?? '', [PICTURES, folder]);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each([
    'bits.png',
    'cmyk.jpg',
    'color16.png',
    'dark16.png',
    'grey.jpg',
    'grey16.png',
    'greyAlpha16.png',
    'palette.png',
    'progressive.jpg',
    'ycck.jpg',
  ])('%s has its levels of colour and of grey within 2', async (name) => {
    const expected = JSON.parse(await readFile(join(folder, 'expected.json'), 'utf8')) as Record<
      string,
      Record<'RGB' | 'grey', number[]>
    >;
    const bytes = await readFile(join(folder, name));
    for (const color of ['RGB', 'grey'] as const) {
      const shape = [-1, -1, -1, color === 'RGB' ? 3 : 1];
      const input: TensorSpec = { name: 'image', datatype: 'FP32', shape, dimensions: shape, batchAxis: 0 };
      const section = new SettingsSection('image', { layout: 'NHWC', scale: 1, color }, IMAGE_KEYS);
      const { data } = await (await openImageInput(imageSettings(section, [input]))).read(bytes);
      const levels = expected[name]?.[color] ?? [];
      expect(data).toHaveLength(levels.length);
      const worst = levels.reduce((most, level, index) => Math.max(most, Math.abs(level - Number(data[index]))), 0);
      expect(worst, color).toBeLessThanOrEqual(2);
    }
  });
});
