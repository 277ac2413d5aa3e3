// The build leaves nothing behind of files that are gone.
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { removeStale } from '../../scripts/after-build.mjs';

it('what was compiled from files that are gone is removed, and nothing else', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sconce-dist-'));
  try {
    const kept = ['a.d.ts', 'a.d.ts.map', 'a.js', 'a.js.map', 'data.json', 'sub/b.js'];
    const stale = ['gone.js', 'gone.js.map', 'gone.d.ts', 'sub/gone.js', 'old/deep/c.js'];
    const files = [...kept, ...stale].map((name) => join('dist', name));
    for (const name of [...files, 'src/a.ts', 'src/sub/b.ts']) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), '');
    }
    removeStale(join(root, 'dist'), join(root, 'src'));
    const left = await readdir(join(root, 'dist'), { recursive: true });
    expect(left.sort()).toEqual([...kept, 'sub'].sort());
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
