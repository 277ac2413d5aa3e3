import { appendFile, mkdir, mkdtemp, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderWatch, isWatched } from '../../../../src/commands/author/folder-watch.ts';

describe('what is watched', () => {
  const files = { folder: '/m', file: undefined, ignored: ['cache', 'out/big.bin'] };

  it.each(['/m', '/m/handler.py', '/m/MAR-INF/MANIFEST.json', '/m/sub/weights.pt', '/m/Makefile'])('is %s', (path) =>
    expect(isWatched(path, files)).toBe(true),
  );

  it.each([
    ...['/m/.git/HEAD', '/m/.venv/bin/python', '/m/__pycache__/h.pyc', '/m/node_modules/a/i.js', '/m/h.pyc'],
    ...['/m/.handler.py.swp', '/m/handler.py~', '/m/#handler.py#', '/m/4913', '/m/h.py.tmp', '/m/h.py___jb_tmp___'],
    ...['/m/run.log', '/m/cache/x', '/m/sub/cache', '/m/out/big.bin', '/other/handler.py', '/m2/handler.py'],
  ])('is not %s', (path) => expect(isWatched(path, files)).toBe(false));

  it('is one file alone where that is the model', () => {
    const single = { ...files, file: '/m/model.onnx' };
    expect(isWatched('/m/model.onnx', single)).toBe(true);
    expect(isWatched('/m/handler.py', single)).toBe(false);
  });
});

describe('the watch', () => {
  let root: string;
  let folder: string;
  let seen: string[];
  let watch: FolderWatch;
  const sees = (path: string) => expect.poll(() => seen, { timeout: 5_000 }).toContain(path);

  beforeEach(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'sconce-watch-')));
    folder = join(root, 'm');
    await mkdir(join(folder, 'sub'), { recursive: true });
    await writeFile(join(folder, 'handler.py'), '1');
    seen = [];
    watch = await FolderWatch.open(
      { folder, file: undefined, ignored: [] },
      { onChange: (path) => seen.push(path), onError: (error) => seen.push(error.message) },
    );
  });

  afterEach(async () => {
    await watch.close();
    await rm(root, { recursive: true, force: true });
  });

  it('sees files that are written, made below, and replaced by a rename', async () => {
    await writeFile(join(folder, 'handler.py'), '2');
    await sees('handler.py');
    await writeFile(join(folder, 'sub', 'new.json'), '{}');
    await sees('sub/new.json');
    seen.length = 0;
    await writeFile(join(folder, '.handler.py.new'), '3');
    await rename(join(folder, '.handler.py.new'), join(folder, 'handler.py'));
    await sees('handler.py');
    expect(new Set(seen)).toEqual(new Set(['handler.py']));
  });

  it('goes on when the folder has been deleted and made again, and when it has been renamed to and fro', async () => {
    await rm(folder, { recursive: true });
    await sees('.');
    seen.length = 0;
    await mkdir(folder);
    await writeFile(join(folder, 'handler.py'), '3');
    await sees('handler.py');
    seen.length = 0;
    await rename(folder, join(root, 'away'));
    await sees('.');
    await rename(join(root, 'away'), folder);
    seen.length = 0;
    // The folder is watched again once its return has been noticed.
    await expect
      .poll(
        async () => {
          await appendFile(join(folder, 'handler.py'), '4');
          return seen;
        },
        { timeout: 5_000 },
      )
      .toContain('handler.py');
  });
});
