import { realpath, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { findTarget } from '../../../../src/commands/author/model-target.ts';
import { handlerFolder, removeHandlerFolders } from '../../../support/handler-folder.ts';

afterEach(removeHandlerFolders);

const folderWith = async (files: Readonly<Record<string, string>>) => realpath(await handlerFolder(files));

it('takes a folder with a manifest at its word', async () => {
  const folder = await folderWith({ 'MAR-INF/MANIFEST.json': '{}', 'handler.py': '' });
  expect(await findTarget(folder)).toEqual({
    modelStore: dirname(folder),
    parameters: { url: basename(folder) },
    folder,
    file: undefined,
  });
});

it.each([
  [
    { 'handler.py': '', 'other.py': '' },
    { handler: 'handler.py', runtime: 'python' },
  ],
  [
    { 'handler.ts': '', 'words.ts': '' },
    { handler: 'handler.ts', runtime: 'node' },
  ],
  [
    { 'shout.py': '', 'notes.txt': '' },
    { handler: 'shout.py', runtime: 'python' },
  ],
  [{ 'a.py': '', 'b.py': '' }, {}],
  [{ 'model.onnx': '' }, {}],
])('guesses the handler of a folder without a manifest: %j', async (files, guessed) => {
  const folder = await folderWith(files);
  expect((await findTarget(folder)).parameters).toEqual({ url: basename(folder), ...guessed });
});

it('serves the folder of a handler that is named alone', async () => {
  const folder = await folderWith({ 'a.py': '', 'b.py': '' });
  const { parameters, file } = await findTarget(join(folder, 'b.py'));
  expect(parameters).toEqual({ url: basename(folder), handler: 'b.py', runtime: 'python' });
  expect(file).toBeUndefined();
});

it('serves a network or an archive alone', async () => {
  const folder = await folderWith({ 'net.onnx': '', 'other.py': '' });
  const file = join(folder, 'net.onnx');
  expect(await findTarget(file)).toEqual({ modelStore: folder, parameters: { url: 'net.onnx' }, folder, file });
});

it('follows a link to the folder itself', async () => {
  const folder = await folderWith({ 'm/handler.py': '' });
  await symlink(join(folder, 'm'), join(folder, 'link'));
  expect((await findTarget(join(folder, 'link'))).folder).toBe(join(folder, 'm'));
});

it.each([
  ['/nowhere/at/all', /there is no such file or folder/],
  ['/', /cannot be the root folder/],
])('refuses %s', async (path, message) => {
  await expect(findTarget(path)).rejects.toThrow(message);
});
