import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newOwner } from '../../../src/archive/cache-owner.ts';
import { HiddenFile } from '../../../src/archive/hidden-file.ts';
import { removeLeftovers } from '../../../src/archive/leftover-parts.ts';

let store: string;
let own: string;
beforeEach(async () => {
  store = await mkdtemp(join(tmpdir(), 'sconce-leftover-'));
  own = await newOwner();
});
afterEach(() => rm(store, { recursive: true, force: true }));

const names = async () => (await readdir(store)).sort();
const partOf = (owner: string) => `.sconce-download-${owner}~0123abcd`;

/** The owner's name as it would be for another process, or another machine. */
function otherOwner({ system, pid }: { system?: string; pid?: number }): string {
  const [ownSystem = '', ownPid = '', start = '', random = ''] = own.split('.');
  return [system ?? ownSystem, pid ?? ownPid, start, random].join('.');
}

async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  return child.pid ?? -1;
}

describe('what a server that was killed has left', () => {
  it('is removed: what is unfinished, and what was finished under its name', async () => {
    const dead = partOf(otherOwner({ pid: await endedPid() }));
    await writeFile(join(store, dead), 'part');
    await writeFile(join(store, dead.replace('0123', '4567')), 'model');
    await link(join(store, dead.replace('0123', '4567')), join(store, 'model.mar'));
    await writeFile(join(store, 'mine.mar'), 'model');
    const removed = await removeLeftovers(store, own);
    expect(removed.sort()).toEqual([dead, dead.replace('0123', '4567'), 'model.mar'].sort());
    expect(await names()).toEqual(['mine.mar']);
  });

  it('is nothing as long as the server lives', async () => {
    const hidden = new HiddenFile(store, own);
    await writeFile(hidden.path, 'model');
    await hidden.publish('model.mar');
    expect(await removeLeftovers(store, await newOwner())).toEqual([]);
    expect(await names()).toHaveLength(2);
  });

  it('on another machine is left alone, unless it is unfinished and has been still for days', async () => {
    const foreign = otherOwner({ system: 'elsewhere' });
    const [fresh, stale, finished] = ['11111111', '22222222', '33333333'].map(
      (random) => `.sconce-download-${foreign}~${random}`,
    ) as [string, string, string];
    for (const name of [fresh, stale, finished]) await writeFile(join(store, name), 'part');
    await link(join(store, finished), join(store, 'model.mar'));
    const longAgo = new Date(Date.now() - 48 * 3_600_000);
    for (const name of [stale, finished]) await utimes(join(store, name), longAgo, longAgo);
    expect(await removeLeftovers(store, own)).toEqual([stale]);
    expect(await names()).toEqual([fresh, finished, 'model.mar'].sort());
  });

  it('is not what only looks like it', async () => {
    await mkdir(join(store, partOf(otherOwner({ pid: await endedPid() }))));
    for (const name of ['.sconce-download-', '.sconce-download-x~y', '.hidden', 'a.mar'])
      await writeFile(join(store, name), '');
    expect(await removeLeftovers(store, own)).toEqual([]);
    expect(await names()).toHaveLength(5);
  });
});
