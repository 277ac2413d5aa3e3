import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { buildEnvironment } from '../../../src/workers/environment-build.ts';
import { OrphanGuard } from '../../../src/workers/orphan-guard.ts';
import { rejectionOf } from '../../support/thrown.ts';

it.runIf(process.platform === 'linux')('a full disk ends pip and fails the build, and not the server', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-build-'));
  try {
    const python = join(folder, 'python');
    // More than a pipe holds, by a program that then goes on.
    await writeFile(python, '#!/bin/sh\nhead -c 300000 /dev/zero\nsleep 600\n', { mode: 0o755 });
    await symlink('/dev/full', join(folder, 'install.log'));
    const error = await rejectionOf(
      buildEnvironment(
        {
          python,
          wheels: undefined,
          timeoutSec: 600,
          env: process.env,
          clock: { now: () => performance.now(), after: () => ({ cancel: () => {} }) },
          orphanGuard: new OrphanGuard(folder),
        },
        {
          spec: { name: 'm', modelDir: folder, requirementsFile: 'requirements.txt', useVenv: false },
          folder,
          siteFolders: [],
          signal: new AbortController().signal,
          onLine: () => {},
        },
      ),
    );
    expect(error).toMatchObject({
      code: 'ENVIRONMENT_FAILED',
      message: 'The Python packages of the model could not be written (ENOSPC). The disk of cache_dir is full.',
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
