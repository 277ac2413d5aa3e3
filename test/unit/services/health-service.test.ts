import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../../../src/config/dialect.ts';
import { Registry } from '../../../src/core/registry.ts';
import { HealthService } from '../../../src/services/health-service.ts';
import { type FakePool, fakeVersion } from '../../support/fake-version.ts';

/** A server with these pools, each the default version of a model of its own unless it says otherwise. */
function healthOf(
  dialect: keyof typeof DIALECTS,
  pools: readonly (Partial<Pick<FakePool, 'minWorkers' | 'healthy' | 'ready' | 'isBeyond'>> & { name?: string })[],
) {
  const registry = new Registry();
  pools.forEach(({ name, ...numbers }, index) => {
    const version = fakeVersion({ name: name ?? `m${index}`, version: `${index}` });
    Object.assign(version.pool, numbers);
    registry.add(version);
  });
  const health = new HealthService(registry, DIALECTS[dialect].health);
  health.started();
  return health;
}

describe('/ping', () => {
  const fine = { minWorkers: 1, healthy: 1, ready: 1 };
  const short = { minWorkers: 2, healthy: 1, ready: 1 };
  const failing = { minWorkers: 1, healthy: 0, ready: 0 };
  const failed = { ...failing, isBeyond: true };

  it.each([
    { when: 'nothing is registered', pools: [], documented: true, torchserve: true },
    { when: 'every version has its workers', pools: [fine, fine], documented: true, torchserve: true },
    {
      when: 'no worker is wanted',
      pools: [{ minWorkers: 0, healthy: 0, ready: 0 }],
      documented: true,
      torchserve: true,
    },
    { when: 'a first start is under way', pools: [{ ...failing, healthy: 1 }], documented: true, torchserve: true },
    { when: 'a worker is missing', pools: [fine, short], documented: false, torchserve: true },
    { when: 'workers fail for a while', pools: [failing], documented: false, torchserve: true },
    { when: 'workers fail for longer than is patient', pools: [fine, failed], documented: false, torchserve: false },
    {
      when: 'only a version that is not the default fails',
      pools: [
        { ...fine, name: 'a' },
        { ...failed, name: 'a' },
      ],
      documented: false,
      torchserve: true,
    },
  ])('when $when: documented $documented, torchserve $torchserve', ({ pools, documented, torchserve }) => {
    expect(healthOf('documented', pools).isHealthy()).toBe(documented);
    expect(healthOf('torchserve', pools).isHealthy()).toBe(torchserve);
  });

  it('is unhealthy in both dialects while the server stops', () => {
    for (const dialect of ['documented', 'torchserve'] as const) {
      const health = healthOf(dialect, [fine]);
      health.stopping();
      expect(health.isHealthy()).toBe(false);
    }
  });
});

describe('readiness', () => {
  it('wants every worker of every version ready, and says what is missing', () => {
    const health = healthOf('documented', [
      { minWorkers: 1, ready: 1 },
      { minWorkers: 2, ready: 1, healthy: 2, name: 'big' },
      { minWorkers: 0, ready: 0 },
    ]);
    expect(health.readiness()).toEqual({ isReady: false, reasons: ['model big version 1: 1 of 2 workers ready'] });
  });

  it('misses a model of load_models until its archive is registered', () => {
    const health = healthOf('documented', [{ minWorkers: 0 }]);
    health.missing('absent.mar', 'Model not found at: absent.mar');
    expect(health.readiness()).toEqual({
      isReady: false,
      reasons: ['load_models: absent.mar is not loaded: Model not found at: absent.mar'],
    });
    health.missing(fakeVersion({ name: 'any', version: '1' }).spec.url, 'slow disk');
    expect(health.readiness().reasons).toHaveLength(1);
  });

  it('waits for the start to be over and ends with the stop', () => {
    const health = new HealthService(new Registry(), 'every-version');
    expect(health.readiness()).toEqual({ isReady: false, reasons: ['the server is starting'] });
    health.started();
    expect(health.readiness()).toEqual({ isReady: true, reasons: [] });
    health.stopping();
    expect(health.readiness()).toEqual({ isReady: false, reasons: ['the server is shutting down'] });
  });
});
