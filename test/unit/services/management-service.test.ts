import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ArchiveStore } from '../../../src/archive/archive-store.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { ServingError } from '../../../src/core/errors.ts';
import { LoadProgress } from '../../../src/core/load-progress.ts';
import type { PythonEnvironment } from '../../../src/core/model-spec.ts';
import { Registry } from '../../../src/core/registry.ts';
import { ManagementService } from '../../../src/services/management-service.ts';
import { Signal } from '../../../src/workers/signal.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakePool, fakeVersion } from '../../support/fake-version.ts';
import { codeOf, rejectionOf } from '../../support/thrown.ts';

/** A pool that becomes ready and ends when the test says so. */
class SlowPool extends FakePool {
  readonly stops: number[] = [];
  readonly ended = new Signal();
  readonly scaled = new Signal();
  scaleFailure: ServingError | undefined;

  override async scale(): Promise<void> {
    await this.scaled.wait();
    if (this.scaleFailure !== undefined) throw this.scaleFailure;
  }

  override async stop(drainMs = Infinity): Promise<void> {
    this.stops.push(drainMs);
    await this.ended.wait();
  }
}

let folder: string;
let registry: Registry;
let pool: SlowPool;
let releases: number;
let environment: (signal: AbortSignal) => Promise<PythonEnvironment | undefined>;
let management: ManagementService;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-management-'));
  await mkdir(join(folder, 'm', 'MAR-INF'), { recursive: true });
  const manifest = { model: { modelName: 'm', modelVersion: '1.0', handler: 'h.py' } };
  await writeFile(join(folder, 'm', 'MAR-INF', 'MANIFEST.json'), JSON.stringify(manifest));
  await writeFile(join(folder, 'm', 'h.py'), '');
  registry = new Registry();
  pool = new SlowPool();
  releases = 0;
  environment = async () => undefined;
  management = new ManagementService({
    registry,
    archives: new ArchiveStore({ modelStore: folder, cacheDir: folder, cacheBytes: 0 }),
    config: await loadConfig({ flags: { modelStore: folder }, env: {}, cwd: folder }),
    machine: { gpuCount: 0, cpuCount: 1 },
    newProgress: () => new LoadProgress(new FakeClock()),
    prepareEnvironment: (_spec, progress, signal) => progress.during('environment', () => environment(signal)),
    createVersion: (spec, progress) => ({
      ...fakeVersion(spec),
      pool,
      progress,
      releaseArchive: async () => {
        releases += 1;
      },
    }),
    onUnregistered: () => {},
    log: () => {},
  });
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const register = (initialWorkers: number) => management.register({ url: 'm', initialWorkers, synchronous: true });

describe('closing', () => {
  it('waits for a version that is being unregistered, gives it the time of the shutdown, and releases it once', async () => {
    await register(0);
    const unregistered = management.unregister('m', undefined, Infinity);
    let isClosed = false;
    const closed = management.close(30_000).then(() => {
      isClosed = true;
    });
    expect(pool.stops).toEqual([Infinity, 30_000]);
    await new Promise(setImmediate);
    expect(isClosed).toBe(false);
    pool.ended.set();
    await Promise.all([unregistered, closed]);
    expect(releases).toBe(1);
  });

  it('refuses a registration that was under way', async () => {
    const registered = register(0);
    const closed = management.close(0);
    expect((await rejectionOf(registered)).code).toBe('SERVER_STOPPING');
    await closed;
    expect(registry.all()).toEqual([]);
  });
});

describe('a synchronous registration', () => {
  it('keeps the model when a later scale takes over its workers', async () => {
    pool.scaleFailure = new ServingError('SCALE_SUPERSEDED', 'overtaken');
    const registered = register(1);
    pool.scaled.set();
    expect(await registered).toMatchObject({ outcome: 'starting', model: { name: 'm' } });
    expect(pool.stops).toEqual([]);
    expect(registry.resolve('m', '1.0').pool).toBe(pool);
  });

  it('leaves the end of a version that is unregistered meanwhile to the unregistration', async () => {
    pool.scaleFailure = new ServingError('MODEL_STOPPING', 'unregistered');
    const registered = rejectionOf(register(1));
    await expect.poll(() => registry.all().length).toBe(1);
    const unregistered = management.unregister('m', undefined, 5_000);
    pool.scaled.set();
    expect((await registered).code).toBe('MODEL_STOPPING');
    pool.ended.set();
    await unregistered;
    expect(pool.stops).toEqual([5_000]);
    expect(releases).toBe(1);
  });

  it('is undone when a worker does not start', async () => {
    pool.scaleFailure = new ServingError('HANDLER_IMPORT_FAILED', 'no module');
    pool.scaled.set();
    pool.ended.set();
    expect((await rejectionOf(register(1))).code).toBe('HANDLER_IMPORT_FAILED');
    expect(codeOf(() => registry.resolve('m', '1.0'))).toBe('MODEL_NOT_FOUND');
    expect(releases).toBe(1);
  });
});

describe('a registration whose packages are being installed', () => {
  const installing = new Signal();

  it('is described by its phases, as often as it is asked for, until it has a version', async () => {
    environment = async () => {
      await installing.wait();
      return { python: undefined, sitePackages: '/packages' };
    };
    const ends = [register(0), register(0)].map((registered) =>
      registered.then(
        ({ outcome }) => outcome,
        (error: ServingError) => error.code,
      ),
    );
    await expect
      .poll(() => management.pending('m').map(({ loading }) => loading.at(-1)?.phase))
      .toEqual(['environment', 'environment']);
    expect(management.isRegistered('m')).toBe(false);
    installing.set();
    // Whichever was quicker has the version; there can be one of this number.
    expect((await Promise.all(ends)).sort()).toEqual(['MODEL_ALREADY_REGISTERED', 'registered']);
    expect(management.pending('m')).toEqual([]);
    const description = await management.describe('m', undefined);
    expect(description.spec.environment).toEqual({ python: undefined, sitePackages: '/packages' });
    expect(description.loading.map(({ phase, state }) => `${phase} ${state}`)).toEqual(['environment done']);
  });

  it('is undone when they cannot be, and can be tried again', async () => {
    environment = () => Promise.reject(new ServingError('ENVIRONMENT_FAILED', 'no such package'));
    expect((await rejectionOf(register(0))).code).toBe('ENVIRONMENT_FAILED');
    expect(registry.all()).toEqual([]);
    expect(management.pending('m')).toEqual([]);
    environment = async () => undefined;
    expect(await register(0)).toMatchObject({ outcome: 'registered' });
  });

  it('is refused before anything is installed when the version is there', async () => {
    await register(0);
    environment = () => Promise.reject(new Error('must not be asked'));
    expect((await rejectionOf(register(0))).code).toBe('MODEL_ALREADY_REGISTERED');
  });

  it('is given up when the server closes, which waits for that', async () => {
    let isOver = false;
    environment = (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () =>
          setImmediate(() => {
            isOver = true;
            reject(signal.reason);
          }),
        );
      });
    const registered = rejectionOf(register(0));
    await expect.poll(() => management.pending('m')[0]?.loading.length).toBe(1);
    await management.close(0);
    expect(isOver).toBe(true);
    expect((await registered).code).toBe('SERVER_STOPPING');
  });
});
