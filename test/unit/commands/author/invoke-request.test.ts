import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readRequests } from '../../../../src/commands/author/invoke-request.ts';
import { contentTypeOf } from '../../../../src/config/file-content-type.ts';
import { handlerFolder, removeHandlerFolders } from '../../../support/handler-folder.ts';

afterEach(removeHandlerFolders);

describe('the requests of sconce invoke', () => {
  it('are one for each file, typed by its ending, and the one of --json last', async () => {
    const folder = await handlerFolder({ 'a.json': '{"a":1}', 'b.PNG': 'png' });
    const requests = await readRequests([join(folder, 'a.json'), join(folder, 'b.PNG')], { json: '[1]' });
    expect(requests.map(({ label, kind, inputs }) => [label, kind, inputs[0]?.contentType])).toEqual([
      ['a.json', 'predict', 'application/json'],
      ['b.PNG', 'predict', 'image/png'],
      ['--json', 'predict', 'application/json'],
    ]);
    expect(Buffer.concat(requests[0]?.inputs[0]?.chunks ?? []).toString()).toBe('{"a":1}');
    expect(new Set(requests.map(({ requestId }) => requestId)).size).toBe(3);
  });

  it('carry the headers of the flags and those that the server adds', async () => {
    const header = ['Accept: text/plain', 'X-Empty:'];
    const [request] = await readRequests([], { json: '1', header, explain: true });
    expect(request?.kind).toBe('explain');
    expect(request?.headers).toEqual([
      ['Content-Type', 'application/json'],
      ['Accept', 'text/plain'],
      ['X-Empty', ''],
      ['explain', 'True'],
      ['url_path', ''],
    ]);
  });

  it('take a form apart as the server does', async () => {
    const folder = await handlerFolder({});
    await writeFile(join(folder, 'form'), 'a=1&b=two');
    const [request] = await readRequests([join(folder, 'form')], { contentType: 'application/x-www-form-urlencoded' });
    expect(request?.inputs.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it.each([
    [[], {}, /there is no request/],
    [['-', '-'], {}, /can be read once/],
    [['/nowhere/x.json'], {}, /there is no such file/],
    [['/'], {}, /cannot be read \(EISDIR\)/],
    [[], { json: '{' }, /this is not JSON/],
    [[], { json: '1', header: ['no colon'] }, /expected "Name: value"/],
  ])('are refused: %j %j', async (files, flags, message) => {
    await expect(readRequests(files, flags)).rejects.toThrow(message);
  });
});

it('files of unknown kinds are bytes', () => {
  expect([contentTypeOf('x.jpeg'), contentTypeOf('x.unknown'), contentTypeOf('x')]).toEqual([
    'image/jpeg',
    'application/octet-stream',
    'application/octet-stream',
  ]);
});
