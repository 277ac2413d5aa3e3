// The folder of caches of everything that tests start: in the system's temporary folder and gone with the run, never in somebody's home.
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const TEST_CACHES = join(tmpdir(), `sconce-test-caches-${process.pid}`);

/** Called by vitest after the last test. */
export async function teardown(): Promise<void> {
  await rm(TEST_CACHES, { recursive: true, force: true });
}
