// What the commands do when nobody reads what they print, and when it cannot be written: no traces of Node's, and nothing left behind.
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AuthorFolder } from '../support/author-folder.ts';

const ARCHIVER = fileURLToPath(new URL('../../dist/torch-model-archiver.js', import.meta.url));
/** More than a pipe holds. */
const MANY_BYTES = 1_000_000;
const HANDLER = `def handle(data, context):
    return None if data is None else [b"a" * ${MANY_BYTES} for _ in data]
`;

let author: AuthorFolder;

beforeEach(async () => {
  author = await AuthorFolder.create();
  await author.write('model/handler.py', HANDLER);
  await author.write('request', 'x');
  await mkdir(join(author.path, 'temporary'));
});

afterEach(() => author.remove());

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the line with a folder of temporary files of its own, which has to be empty afterwards. */
async function ended(script: string): Promise<Ended> {
  const terminal = await author.run(script, { TMPDIR: join(author.path, 'temporary') });
  const code = await terminal.exited;
  expect(await readdir(join(author.path, 'temporary'))).toEqual([]);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

test('a reader that has seen enough ends no command with an error', async () => {
  const count = 4000;
  for (let index = 0; index < count; index++) await author.write(`many/a-file-with-a-long-name-${index}.txt`, '');
  const inspected = await ended('{ sconce archive inspect many; echo "status $?" >&2; } | head -n 1');
  expect(inspected).toEqual({ code: 0, stdout: 'many\n', stderr: 'status 0\n' });
  const invoked = await ended('{ sconce invoke model request; echo "status $?" >&2; } | head -c 2');
  expect(invoked).toEqual({ code: 0, stdout: 'aa', stderr: expect.stringMatching(/^status 0$/m) });
  expect(invoked.stderr).not.toMatch(/EPIPE|node:/);
}, 60_000);

test.runIf(process.platform === 'linux').each([
  ['sconce archive inspect model > /dev/full', 'sconce: standard output cannot be written: '],
  [`${ARCHIVER} --help > /dev/full`, 'torch-model-archiver: standard output cannot be written: '],
  ['sconce invoke model request > /dev/full', 'sconce: standard output cannot be written: '],
  ['sconce invoke model request --output /dev/full', 'sconce: --output /dev/full: the disk is full (ENOSPC)'],
])(
  '%s says so, with exit status 1',
  async (script, message) => {
    const { code, stderr } = await ended(script);
    expect(code).toBe(1);
    expect(stderr.split('\n').filter((line) => line.startsWith(message))).toHaveLength(1);
    expect(stderr).not.toContain(' at ');
  },
  60_000,
);

test('a file for the answer that cannot be made is refused before the model is loaded', async () => {
  await author.write('model/handler.py', 'raise RuntimeError("loaded")');
  const { code, stderr } = await ended('sconce invoke model request --output absent/answer');
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'sconce: --output absent/answer: there is no such file or folder (ENOENT)\n',
  });
});
