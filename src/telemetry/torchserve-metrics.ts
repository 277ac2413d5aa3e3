// The metrics of the server that have TorchServe's names: kind, unit and labels of each, and which of them a metrics file shows.
import type { ListedMetric, ListedMetrics, MetricKind } from '../core/listed-metrics.ts';

/** One metric as it is when no file says anything about it. */
export interface TorchserveMetric {
  readonly kind: MetricKind;
  readonly unit: string;
  readonly dimensions: readonly string[];
}

const ON_HOST = ['Level', 'Hostname'] as const;
const OF_MODEL = ['model_name', 'model_version', 'hostname'] as const;

export const TORCHSERVE_METRICS = {
  Requests2XX: { kind: 'counter', unit: 'Count', dimensions: ON_HOST },
  Requests4XX: { kind: 'counter', unit: 'Count', dimensions: ON_HOST },
  Requests5XX: { kind: 'counter', unit: 'Count', dimensions: ON_HOST },
  QueueTime: { kind: 'gauge', unit: 'Milliseconds', dimensions: ON_HOST },
  ts_inference_requests_total: { kind: 'counter', unit: 'Count', dimensions: OF_MODEL },
  ts_inference_latency_microseconds: { kind: 'counter', unit: 'Microseconds', dimensions: OF_MODEL },
  ts_queue_latency_microseconds: { kind: 'counter', unit: 'Microseconds', dimensions: OF_MODEL },
} as const satisfies Readonly<Record<string, TorchserveMetric>>;

export type TorchserveMetricName = keyof typeof TORCHSERVE_METRICS;

/** The unit in which a metric is shown; undefined when the file leaves it out. */
export function shownUnit(name: TorchserveMetricName, listed: ListedMetrics | undefined): string | undefined {
  if (listed === undefined) return TORCHSERVE_METRICS[name].unit;
  return listed.server.find((metric) => metric.name === name)?.unit;
}

/** One line each about what a file asks of the server's metrics to no effect. */
export function serverMetricNotices({ server }: ListedMetrics): string[] {
  const unknown = server.filter(({ name }) => !isTorchserveMetric(name)).map(({ name }) => name);
  const changed = server.flatMap((metric) =>
    isTorchserveMetric(metric.name) ? changeNotice(metric, metric.name) : [],
  );
  if (unknown.length === 0) return changed;
  return [`metrics_config: ts_metrics: this release does not measure ${unknown.join(', ')}`, ...changed];
}

function changeNotice(metric: ListedMetric, name: TorchserveMetricName): string[] {
  const { kind, dimensions } = TORCHSERVE_METRICS[name];
  if (metric.kind === kind && metric.dimensions.join() === dimensions.join()) return [];
  return [`metrics_config: ts_metrics: ${name} stays a ${kind} with the dimensions ${dimensions.join(', ')}`];
}

function isTorchserveMetric(name: string): name is TorchserveMetricName {
  return Object.hasOwn(TORCHSERVE_METRICS, name);
}
