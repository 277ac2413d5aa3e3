import { beforeEach, describe, expect, it } from 'vitest';
import type { BatchTime } from '../../../src/core/batch-time.ts';
import { Job, type JobKeeper } from '../../../src/core/job.ts';
import type { ModelMetric } from '../../../src/core/ports.ts';
import { ServerMetrics } from '../../../src/telemetry/server-metrics.ts';
import { jobRequest } from '../../support/jobs.ts';

const nobody: JobKeeper = { abandoned: () => {}, taken: () => {}, begun: () => {}, ended: () => {} };
const job = new Job(1, jobRequest(), 0, Infinity, nobody);
const metric = (over: Partial<ModelMetric>): ModelMetric => ({
  name: 'Size',
  unit: 'Bytes',
  value: 1,
  kind: 'counter',
  dimensions: [],
  ...over,
});

let metrics: ServerMetrics;

beforeEach(() => {
  metrics = new ServerMetrics({ droppedLogLines: () => 7 });
});

/** The values of a sample, by its labels without the host. */
async function samples(name: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const line of (await metrics.text()).split('\n')) {
    const [, sample, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (sample !== name) continue;
    const kept = labels.split(',').filter((label) => label !== '' && !/^hostname=/i.test(label));
    found[kept.join(',')] = Number(value);
  }
  return found;
}

describe('the server`s metrics', () => {
  it('count answers by the class of their status', async () => {
    for (const status of [200, 202, 404, 499, 500, 507, 304, 999]) metrics.responded(status);
    expect(await samples('Requests2XX')).toEqual({ 'Level="Host"': 2 });
    expect(await samples('Requests4XX')).toEqual({ 'Level="Host"': 2 });
    expect(await samples('Requests5XX')).toEqual({ 'Level="Host"': 4 });
  });

  it('add up the times of one version, in microseconds, leaving failures out of the latency', async () => {
    const observer = metrics.observerFor('m', '1.0');
    for (let count = 0; count < 3; count++) observer.queued(job);
    observer.dispatched(job, 1.5);
    observer.dispatched(job, 20.4);
    observer.finished(job, undefined, 30);
    observer.finished(job, 'WORKER_DIED', 99);
    observer.finished(job, 'WORKER_DIED', 99);
    const labels = 'model_name="m",model_version="1.0"';
    expect(await samples('ts_inference_requests_total')).toEqual({ [labels]: 3 });
    expect((await samples('ts_queue_latency_microseconds'))[labels]).toBeCloseTo(21_900, 6);
    expect(await samples('ts_inference_latency_microseconds')).toEqual({ [labels]: 30_000 });
    expect(await samples('sconce_failed_requests_total')).toEqual({ [`${labels},code="WORKER_DIED"`]: 2 });
    expect(await samples('QueueTime')).toEqual({ 'Level="Host"': 20 });
    expect(await samples('sconce_request_duration_seconds_count')).toEqual({ [labels]: 3 });
  });

  it('go on with the sums when a version is registered again', async () => {
    metrics.observerFor('m', '1.0').queued(job);
    metrics.observerFor('m', '1.0').queued(job);
    metrics.observerFor('m', '2.0').queued(job);
    expect(await samples('ts_inference_requests_total')).toEqual({
      'model_name="m",model_version="1.0"': 2,
      'model_name="m",model_version="2.0"': 1,
    });
  });

  it('show queues as long as they are watched', async () => {
    const queue = { waiting: 3, running: 2, batchTime: undefined };
    const labels = 'model_name="m",model_version="1.0"';
    metrics.watchQueue('m', '1.0', queue);
    expect(await samples('sconce_queue_waiting')).toEqual({ [labels]: 3 });
    queue.waiting = 1;
    expect(await samples('sconce_queue_waiting')).toEqual({ [labels]: 1 });
    expect(await samples('sconce_queue_running')).toEqual({ [labels]: 2 });
    metrics.unwatchQueue('m', '1.0', queue);
    expect(await samples('sconce_queue_waiting')).toEqual({});
  });

  it('show what batches cost, once that is known', async () => {
    const queue = { waiting: 0, running: 0, batchTime: undefined as BatchTime | undefined };
    const labels = 'model_name="m",model_version="1.0"';
    metrics.watchQueue('m', '1.0', queue);
    expect(await samples('sconce_batch_base_seconds')).toEqual({});
    queue.batchTime = { baseMs: 8, perJobMs: 0.5 };
    expect(await samples('sconce_batch_base_seconds')).toEqual({ [labels]: 0.008 });
    expect(await samples('sconce_batch_per_request_seconds')).toEqual({ [labels]: 0.0005 });
  });

  it('show the queue of a version that was registered again while the former one was still draining', async () => {
    const [former, latter] = [
      { waiting: 3, running: 2, batchTime: undefined },
      { waiting: 1, running: 0, batchTime: undefined },
    ];
    metrics.watchQueue('m', '1.0', former);
    metrics.watchQueue('m', '1.0', latter);
    metrics.unwatchQueue('m', '1.0', former);
    expect(await samples('sconce_queue_waiting')).toEqual({ 'model_name="m",model_version="1.0"': 1 });
  });

  it('count both queues while one version takes the place of another', async () => {
    const labels = 'model_name="m",model_version="1.0"';
    const [former, next] = [
      { waiting: 3, running: 2, batchTime: undefined },
      { waiting: 1, running: 4, batchTime: undefined },
    ];
    metrics.watchQueue('m', '1.0', former);
    metrics.watchQueue('m', '1.0', next);
    expect(await samples('sconce_queue_waiting')).toEqual({ [labels]: 4 });
    expect(await samples('sconce_queue_running')).toEqual({ [labels]: 6 });
    metrics.unwatchQueue('m', '1.0', next);
    expect(await samples('sconce_queue_waiting')).toEqual({ [labels]: 3 });
  });

  it('tell how many log lines were dropped', async () => {
    expect(await samples('sconce_log_lines_dropped_total')).toEqual({ '': 7 });
  });
});

describe('the metrics of handlers', () => {
  it('are kept by their kind: counters add up, gauges hold the last value, histograms count', async () => {
    metrics.modelMetric(metric({ value: 2 }));
    metrics.modelMetric(metric({ value: 3 }));
    metrics.modelMetric(metric({ name: 'Load', kind: 'gauge', value: 4 }));
    metrics.modelMetric(metric({ name: 'Load', kind: 'gauge', value: 1 }));
    metrics.modelMetric(metric({ name: 'Time', kind: 'histogram', value: 1 }));
    expect(await samples('Size')).toEqual({ '': 5 });
    expect(await samples('Load')).toEqual({ '': 1 });
    expect(await samples('Time_count')).toEqual({ '': 1 });
  });

  it('have their dimensions as labels, in names that Prometheus takes', async () => {
    metrics.modelMetric(metric({ name: 'in-size.x', dimensions: [['Model Name', 'a"b']] }));
    expect(await samples('in_size_x')).toEqual({ 'Model_Name="a\\"b"': 1 });
  });

  it.each([
    ['a name that the server uses', metric({ name: 'QueueTime', dimensions: [['Level', 'Model']] })],
    ['other dimensions than before', metric({ dimensions: [['Extra', '1']] })],
    ['a counter that goes back', metric({ value: -1 })],
    ['a name that is none', metric({ name: '' })],
    ['a dimension that is none', metric({ name: 'Other', dimensions: [['1x', '1']] })],
  ])('cost nothing but themselves when they have %s', async (_what, wrong) => {
    metrics.modelMetric(metric({ value: 2 }));
    expect(() => metrics.modelMetric(wrong)).not.toThrow();
    expect(await samples('Size')).toEqual({ '': 2 });
    expect(await samples('Requests2XX')).toEqual({ 'Level="Host"': 0 });
  });
});
