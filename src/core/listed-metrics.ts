// Which metrics there are, as the operator's metrics file lists them, and what becomes of those that it does not list.

export type MetricKind = 'counter' | 'gauge' | 'histogram';

export interface ListedMetric {
  readonly name: string;
  readonly unit: string;
  readonly kind: MetricKind;
  /** Names, in the order of the labels. Of a handler's metric without the host, which comes last by itself. */
  readonly dimensions: readonly string[];
}

export interface ListedMetrics {
  /** Of those that have TorchServe's names: the ones that are shown. */
  readonly server: readonly ListedMetric[];
  /** Those that handlers report. */
  readonly model: readonly ListedMetric[];
}

/** Where values go besides the metrics listener: nowhere, or as lines into the log; `legacy` leaves out those of requests. */
export type MetricsMode = 'prometheus' | 'log' | 'legacy';

export interface MetricsSettings {
  readonly mode: MetricsMode;
  /** What the file of `metrics_config` lists, undefined without one. */
  readonly listed: ListedMetrics | undefined;
  /** Whether metrics of handlers that are not listed count, too. */
  readonly isAutoDetecting: boolean;
}
