import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PackError } from '../../../../src/archive/pack-error.ts';
import { failureText } from '../../../../src/commands/terminal/failure.ts';
import { ConfigError } from '../../../../src/config/config-error.ts';
import { ServingError } from '../../../../src/core/errors.ts';

describe('the words for a failure', () => {
  it.each([
    new ConfigError('a sentence'),
    new PackError('a sentence'),
    new ServingError('ARCHIVE_INVALID', 'a sentence'),
  ])('are the message of a %s', (error) => {
    expect(failureText(error)).toBe('a sentence');
  });

  it('name the file that the system refuses, and say why', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sconce-failure-'));
    try {
      const file = join(folder, 'file');
      await writeFile(file, '');
      const taken = await mkdir(file).catch((error: unknown) => error);
      expect(failureText(taken)).toBe(`${file}: a file of this name is in the way (EEXIST)`);
      const inside = await writeFile(join(file, 'x'), '').catch((error: unknown) => error);
      expect(failureText(inside)).toBe(`${join(file, 'x')}: a part of the path is a file (ENOTDIR)`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('name the address that is taken, and the settings', async () => {
    const first = createServer();
    const port = await new Promise<number>((resolve) => {
      first.listen(0, '127.0.0.1', () => {
        const address = first.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const error = await new Promise((resolve) => createServer().once('error', resolve).listen(port, '127.0.0.1'));
    first.close();
    expect(failureText(error)).toMatch(/^127\.0\.0\.1:\d+ is in use by another process; .*inference_address/);
  });

  it('are the trace of what nobody expected', () => {
    expect(failureText(new TypeError('x is not a function'))).toMatch(/^TypeError: x is not a function\n {4}at /);
  });
});
