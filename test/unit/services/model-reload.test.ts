import { beforeEach, describe, expect, it } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import type { ModelSpec } from '../../../src/core/model-spec.ts';
import type { ModelVersion } from '../../../src/core/model-version.ts';
import type { ScaleRequest } from '../../../src/core/ports.ts';
import { Registry } from '../../../src/core/registry.ts';
import { ModelReload } from '../../../src/services/model-reload.ts';
import { Signal } from '../../../src/workers/signal.ts';
import { FakePool, type FakeVersion, fakeVersion } from '../../support/fake-version.ts';
import { codeOf, rejectionOf } from '../../support/thrown.ts';

/** A pool whose first worker is ready when the test says so. */
class GatedPool extends FakePool {
  readonly scales: Pick<ScaleRequest, 'minWorkers' | 'maxWorkers'>[] = [];
  readonly ready1 = new Signal();
  failure: ServingError | undefined;

  override async scale(request?: ScaleRequest): Promise<void> {
    if (request !== undefined) this.scales.push({ minWorkers: request.minWorkers, maxWorkers: request.maxWorkers });
    await this.ready1.wait();
    if (this.failure !== undefined) throw this.failure;
  }
}

interface GatedVersion extends ModelVersion {
  readonly pool: GatedPool;
}

let registry: Registry;
let former: FakeVersion;
let ended: [ModelVersion, number][];
let watched: string[];
let reloads: ModelReload;

beforeEach(() => {
  registry = new Registry();
  former = fakeVersion();
  registry.add(former);
  ended = [];
  watched = [];
  reloads = new ModelReload({
    registry,
    end: async (version, drainMs) => {
      ended.push([version, drainMs]);
    },
    watch: (_change, _version, message) => watched.push(message),
  });
});

const gated = (over: Partial<ModelSpec> = {}): GatedVersion => ({ ...fakeVersion(over), pool: new GatedPool() });
const never = new AbortController().signal;
const replace = (next: ModelVersion, signal = never) => reloads.replace(former, async () => next, 5_000, signal);

describe('a reload', () => {
  it('leaves the old version in its place until the new one has a worker, then lets it drain', async () => {
    const next = gated();
    const replaced = replace(next);
    await expect.poll(() => next.pool.scales).toEqual([{ minWorkers: 1, maxWorkers: 1 }]);
    expect(registry.resolve('m', undefined)).toBe(former);
    expect(ended).toEqual([]);
    next.pool.ready1.set();
    expect(await replaced).toBe(next);
    expect(registry.resolve('m', undefined)).toBe(next);
    expect(ended).toEqual([[former, 5_000]]);
  });

  it('starts the other workers after the swap, as many as the new version says', async () => {
    const next = gated({ initialMinWorkers: 2, initialMaxWorkers: 3 });
    next.pool.ready1.set();
    await replace(next);
    expect(next.pool.scales).toEqual([
      { minWorkers: 1, maxWorkers: 1 },
      { minWorkers: 2, maxWorkers: 3 },
    ]);
    expect(watched).toContain('workers of a reloaded model did not start');
  });

  it('keeps the number of workers that somebody scaled to', async () => {
    former.pool.minWorkers = 4;
    former.pool.maxWorkers = 4;
    const next = gated();
    next.pool.ready1.set();
    await replace(next);
    expect(next.pool.scales.at(-1)).toEqual({ minWorkers: 4, maxWorkers: 4 });
  });

  it('starts no worker for a version that was scaled to zero', async () => {
    former.pool.minWorkers = 0;
    former.pool.maxWorkers = 0;
    const next = gated();
    await replace(next);
    expect(next.pool.scales).toEqual([]);
    expect(registry.resolve('m', undefined)).toBe(next);
  });

  it('that fails to start a worker ends the new version at once and leaves the old one', async () => {
    const next = gated();
    next.pool.failure = new ServingError('HANDLER_IMPORT_FAILED', 'no module');
    next.pool.ready1.set();
    expect((await rejectionOf(replace(next))).code).toBe('HANDLER_IMPORT_FAILED');
    expect(registry.resolve('m', undefined)).toBe(former);
    expect(ended).toEqual([[next, 0]]);
  });

  it('that is aborted while the handler hangs ends the new version and fails with the reason', async () => {
    const next = gated();
    const control = new AbortController();
    const replaced = replace(next, control.signal);
    await expect.poll(() => next.pool.scales.length).toBe(1);
    control.abort(new ServingError('CANCELLED', 'a newer save'));
    expect((await rejectionOf(replaced)).message).toBe('a newer save');
    expect(ended).toEqual([[next, 0]]);
    expect(registry.resolve('m', undefined)).toBe(former);
  });

  it('ends the new version when the old one was unregistered meanwhile', async () => {
    const next = gated();
    const replaced = replace(next);
    await expect.poll(() => next.pool.scales.length).toBe(1);
    registry.discard(former);
    next.pool.ready1.set();
    expect((await rejectionOf(replaced)).code).toBe('MODEL_VERSION_NOT_FOUND');
    expect(ended).toEqual([[next, 0]]);
    expect(codeOf(() => registry.resolve('m', undefined))).toBe('MODEL_NOT_FOUND');
  });
});

describe('closing', () => {
  it('gives up what is under way and refuses what comes later', async () => {
    const next = gated();
    const replaced = rejectionOf(replace(next));
    await expect.poll(() => next.pool.scales.length).toBe(1);
    await reloads.close();
    expect((await replaced).code).toBe('SERVER_STOPPING');
    expect(ended).toEqual([[next, 0]]);
    expect((await rejectionOf(replace(gated()))).code).toBe('SERVER_STOPPING');
  });
});
