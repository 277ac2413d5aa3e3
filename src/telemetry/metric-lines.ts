// Values of metrics as lines of the log, in the form by which TorchServe's users collect them from ts_metrics.log and model_metrics.log. Only
// with `metrics_mode` log or legacy.
import { hostname } from 'node:os';
import type { HeaderPair } from '../core/job.ts';
import type { MetricsMode } from '../core/listed-metrics.ts';
import type { Log } from './logger.ts';

/** What `legacy` leaves to the metrics listener. */
const OF_REQUESTS = /^ts_(?:inference_requests_total|inference_latency_microseconds|queue_latency_microseconds)$/;

/** The loggers that TorchServe writes these lines with. */
type Logger = 'TS_METRICS' | 'MODEL_METRICS';

export interface MetricValue {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  /** Without the host. */
  readonly dimensions: readonly HeaderPair[];
  readonly requestIds?: readonly string[];
}

/** Writes a value down. */
export type WriteMetric = (logger: Logger, metric: MetricValue) => void;

/** What writes values down in this mode, undefined for the mode that writes none. */
export function metricLines(mode: MetricsMode, log: Log): WriteMetric | undefined {
  if (mode === 'prometheus') return undefined;
  const host = hostname();
  return (logger, metric) => {
    if (mode === 'log' || !OF_REQUESTS.test(metric.name)) log.info({ logger }, metricLine(metric, host, Date.now()));
  };
}

/** `Name.Unit:value|#Dimension:value,…|#hostname:host,requestID:ids,timestamp:seconds` */
export function metricLine(metric: MetricValue, host: string, atMs: number): string {
  const { name, unit, value, dimensions, requestIds = [] } = metric;
  const number = Number.isInteger(value) ? value.toFixed(1) : String(value);
  const listed = dimensions.map((dimension) => dimension.map(bare).join(':')).join(',');
  const ids = requestIds.length === 0 ? '' : `,requestID:${requestIds.map(bare).join(',')}`;
  return `${bare(name)}.${bare(unit)}:${number}|#${listed}|#hostname:${host}${ids},timestamp:${Math.floor(atMs / 1000)}`;
}

/** Without the characters that part a line from the next and its pieces from each other. */
function bare(text: string): string {
  return text.replaceAll(/[\p{Cc}|,#]/gu, '_');
}
