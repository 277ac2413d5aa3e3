import { Registry } from 'prom-client';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ListedMetric } from '../../../src/core/listed-metrics.ts';
import type { ModelMetric } from '../../../src/core/ports.ts';
import { HandlerMetrics, MAX_METRICS, MAX_SERIES } from '../../../src/telemetry/handler-metrics.ts';

let registry: Registry;
let troubles: string[];

beforeEach(() => {
  registry = new Registry();
  troubles = [];
});

function metricsOf(model?: readonly ListedMetric[], isAutoDetecting = model === undefined): HandlerMetrics {
  return new HandlerMetrics({
    registry,
    host: 'h',
    settings: { listed: model === undefined ? undefined : { server: [], model }, isAutoDetecting },
    takenNames: new Set(['Taken']),
    onTrouble: (message) => troubles.push(message),
  });
}

const report = (over: Partial<ModelMetric> = {}): ModelMetric => ({
  name: 'Size',
  unit: 'Bytes',
  value: 1,
  kind: 'counter',
  dimensions: [],
  ...over,
});

const samples = async () =>
  (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('reports of handlers', () => {
  it('keep the order of their dimensions, the host last, whatever order a later report has', async () => {
    const metrics = metricsOf();
    metrics.report(
      report({
        dimensions: [
          ['B', '1'],
          ['A', '2'],
        ],
      }),
    );
    metrics.report(
      report({
        dimensions: [
          ['A', '2'],
          ['B', '1'],
        ],
      }),
    );
    expect(await samples()).toEqual(['Size{B="1",A="2",Hostname="h"} 2']);
  });

  it('leave the host where the handler says one', async () => {
    metricsOf().report(
      report({
        dimensions: [
          ['Hostname', 'mine'],
          ['A', '2'],
        ],
      }),
    );
    expect(await samples()).toEqual(['Size{Hostname="mine",A="2"} 1']);
  });

  it('have the unit of the list, in its order', async () => {
    const metrics = metricsOf([{ name: 'Size', unit: 'B', kind: 'counter', dimensions: ['A', 'B'] }]);
    expect(
      metrics.report(
        report({
          dimensions: [
            ['B', '1'],
            ['A', '2'],
          ],
        }),
      ),
    ).toBe('B');
    expect(await samples()).toEqual(['Size{A="2",B="1",Hostname="h"} 1']);
    expect(await registry.metrics()).toContain('metric with unit: B\n');
  });

  it.each([
    ['another kind', report({ kind: 'gauge' })],
    ['more dimensions', report({ dimensions: [['A', '1']] })],
    ['a step back', report({ value: -1 })],
    ['a name that is taken', report({ name: 'Taken' })],
    ['no name', report({ name: '' })],
    ['a dimension that is none', report({ name: 'Other', dimensions: [['1', '1']] })],
    [
      'hundreds of dimensions',
      report({ name: 'Wide', dimensions: Array.from({ length: 99 }, (_, i) => [`d${i}`, '']) }),
    ],
  ])('with %s are dropped, counted, and told once', async (_what, wrong) => {
    const metrics = metricsOf();
    metrics.report(report());
    expect(metrics.report(wrong)).toBeUndefined();
    metrics.report(wrong);
    expect(metrics.dropped).toMatchObject({ mismatch: 2, unlisted: 0 });
    expect(troubles).toHaveLength(1);
    expect(await samples()).toEqual(['Size{Hostname="h"} 1']);
  });

  it('that are not listed are dropped, unless they are detected', async () => {
    const listed: ListedMetric = { name: 'Size', unit: 'B', kind: 'counter', dimensions: [] };
    const strict = metricsOf([listed]);
    expect(strict.report(report({ name: 'Other' }))).toBeUndefined();
    expect(strict.dropped.unlisted).toBe(1);
    expect(troubles[0]).toMatch(/"Other".*model_metrics_auto_detect=true/);
    registry = new Registry();
    expect(metricsOf([listed], true).report(report({ name: 'Other' }))).toBe('Bytes');
  });

  it('are those of the built-in handlers alone, where nothing is listed and nothing detected', async () => {
    const metrics = metricsOf(undefined, false);
    const dimensions = [
      ['ModelName', 'm'],
      ['Level', 'Model'],
    ] as const;
    metrics.report(report({ name: 'HandlerTime', kind: 'gauge', dimensions }));
    metrics.report(report());
    expect(await samples()).toEqual(['HandlerTime{ModelName="m",Level="Model",Hostname="h"} 1']);
    expect(metrics.dropped.unlisted).toBe(1);
  });

  it('stop at the bounds of series and names, and what was there goes on', async () => {
    const metrics = metricsOf();
    for (let user = 0; user <= MAX_SERIES; user++) metrics.report(report({ dimensions: [['User', `${user}`]] }));
    metrics.report(report({ dimensions: [['User', '0']] }));
    expect(metrics.dropped.too_many_series).toBe(1);
    expect(await samples()).toHaveLength(MAX_SERIES);
    expect((await samples())[0]).toBe('Size{User="0",Hostname="h"} 2');
    for (let name = 0; name < MAX_METRICS; name++) metrics.report(report({ name: `N${name}` }));
    expect(metrics.dropped.too_many_metrics).toBe(1);
  });

  it('cannot make labels of any length, nor tell of ever new names', async () => {
    const metrics = metricsOf([]);
    for (let name = 0; name < 500; name++) metrics.report(report({ name: `N${name}` }));
    expect(troubles).toHaveLength(100);
    const open = metricsOf();
    open.report(report({ dimensions: [['A', 'x'.repeat(10_000)]] }));
    expect((await samples())[0]?.length).toBeLessThan(300);
  });

  it('keep __proto__ an ordinary dimension', async () => {
    metricsOf().report(report({ dimensions: [['__proto__', 'x']] }));
    expect(await samples()).toEqual(['Size{__proto__="x",Hostname="h"} 1']);
  });
});
