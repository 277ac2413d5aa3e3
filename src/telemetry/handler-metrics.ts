// What handlers and workers report, as metrics: those that are listed with their listed unit and order of labels, others as their first report
// has them. Whatever a handler does, what is kept stays bounded; what falls off is counted, and told once for each name.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ListedMetric, MetricKind, MetricsSettings } from '../core/listed-metrics.ts';
import type { ModelMetric } from '../core/ports.ts';

/** How many combinations of label values one metric may have. */
export const MAX_SERIES = 1_000;
/** How many all of them may have together. */
const MAX_ALL_SERIES = 20_000;
/** How many metrics handlers may have. */
export const MAX_METRICS = 1_000;
const MAX_LABEL_CHARACTERS = 256;
const MAX_LABELS = 32;
/** How many names are told of. */
const MAX_TOLD = 100;
const HOST_LABEL = 'Hostname';

/** What is listed when nobody lists anything, and yet nothing else is to count; the server's own PredictionTime is beside it. */
const HANDLER_TIME: ListedMetric = {
  name: 'HandlerTime',
  unit: 'Milliseconds',
  kind: 'gauge',
  dimensions: ['ModelName', 'Level'],
};

const KINDS = { counter: Counter, gauge: Gauge, histogram: Histogram };

/** Why reports fall off, and what to do about it. */
const DROPPED = {
  unlisted:
    'it is not in model_metrics of the metrics_config file; list it there, or set model_metrics_auto_detect=true',
  mismatch: 'its kind, dimensions or value do not fit what was reported or listed under this name before',
  too_many_series: `its dimensions have more than ${MAX_SERIES} combinations of values, or all metrics of handlers more than ${MAX_ALL_SERIES}; put what tells requests apart into the log`,
  too_many_metrics: `handlers report more than ${MAX_METRICS} metrics; use dimensions in place of names`,
} as const;

export type DropReason = keyof typeof DROPPED;

interface KnownMetric {
  readonly kind: MetricKind;
  readonly unit: string;
  readonly labelNames: readonly string[];
  readonly metric: Counter | Gauge | Histogram;
  /** The label values of its series, each set as one text. */
  readonly series: Set<string>;
}

export interface HandlerMetricsOptions {
  readonly registry: Registry;
  readonly host: string;
  readonly settings: Pick<MetricsSettings, 'listed' | 'isAutoDetecting'>;
  /** Names that the server has itself. */
  readonly takenNames: ReadonlySet<string>;
  /** Tells the operator. */
  onTrouble(message: string): void;
}

export class HandlerMetrics {
  readonly #options: HandlerMetricsOptions;
  readonly #known = new Map<string, KnownMetric>();
  readonly #dropped: Record<DropReason, number> = { unlisted: 0, mismatch: 0, too_many_series: 0, too_many_metrics: 0 };
  readonly #told = new Set<string>();
  #allSeries = 0;

  constructor(options: HandlerMetricsOptions) {
    this.#options = options;
    const { listed, isAutoDetecting } = options.settings;
    for (const { name, kind, unit, dimensions } of listed?.model ?? (isAutoDetecting ? [] : [HANDLER_TIME])) {
      if (options.takenNames.has(name)) continue;
      try {
        this.#add(metricName(name), kind, unit, withHost(dimensions.map(labelName)));
      } catch (error) {
        options.onTrouble(`metrics_config: model_metrics: ${name} cannot be shown: ${String(error)}`);
      }
    }
  }

  /** How many reports fell off, by the reason. */
  get dropped(): Readonly<Record<DropReason, number>> {
    return this.#dropped;
  }

  /** Takes a report, and gives the unit it is kept in; undefined when it fell off. */
  report(report: ModelMetric): string | undefined {
    const name = metricName(report.name);
    const labels = this.#labels(report);
    const known = this.#find(name, report, Object.keys(labels));
    if (typeof known === 'string') return this.#drop(name, known);
    const values = known.labelNames.map((label) => labels[label]);
    const fits =
      report.kind === known.kind && values.length === Object.keys(labels).length && !values.includes(undefined);
    if (!fits || (known.kind === 'counter' && !(report.value >= 0))) return this.#drop(name, 'mismatch');
    const series = values.join('\u0000');
    if (!known.series.has(series)) {
      if (known.series.size >= MAX_SERIES || this.#allSeries >= MAX_ALL_SERIES)
        return this.#drop(name, 'too_many_series');
      known.series.add(series);
      this.#allSeries += 1;
    }
    const ordered = Object.fromEntries(known.labelNames.map((label, index) => [label, values[index] ?? '']));
    if (known.metric instanceof Counter) known.metric.inc(ordered, report.value);
    else if (known.metric instanceof Gauge) known.metric.set(ordered, report.value);
    else known.metric.observe(ordered, report.value);
    return known.unit;
  }

  /** The metric of a name, made if it may be. */
  #find(name: string, report: ModelMetric, labelNames: readonly string[]): KnownMetric | DropReason {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const { settings, takenNames } = this.#options;
    if (takenNames.has(name)) return 'mismatch';
    if (!settings.isAutoDetecting) return 'unlisted';
    if (this.#known.size >= MAX_METRICS) return 'too_many_metrics';
    if (labelNames.length > MAX_LABELS) return 'mismatch';
    try {
      return this.#add(name, report.kind, report.unit, labelNames);
    } catch {
      // A name or a dimension that Prometheus does not take.
      return 'mismatch';
    }
  }

  #add(name: string, kind: MetricKind, unit: string, labelNames: readonly string[]): KnownMetric {
    const { registry } = this.#options;
    const help = helpOf(kind, unit.slice(0, MAX_LABEL_CHARACTERS));
    const metric = new KINDS[kind]({ name, help, labelNames: [...labelNames], registers: [registry] });
    const added = { kind, unit, labelNames, metric, series: new Set<string>() };
    this.#known.set(name, added);
    return added;
  }

  /** Label names and values in the order of the report, the host last. */
  #labels({ dimensions }: ModelMetric): Readonly<Record<string, string>> {
    const own = dimensions.map(([name, value]): [string, string] => [
      labelName(name),
      value.slice(0, MAX_LABEL_CHARACTERS),
    ]);
    const labels = new Map(own);
    if (!labels.has(HOST_LABEL)) labels.set(HOST_LABEL, this.#options.host);
    return Object.fromEntries(labels);
  }

  #drop(name: string, reason: DropReason): undefined {
    this.#dropped[reason] += 1;
    const key = `${reason} ${name}`;
    if (this.#told.has(key) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(key);
    this.#options.onTrouble(`the metric "${name.slice(0, 80)}" of a handler loses reports: ${DROPPED[reason]}`);
  }
}

export function helpOf(kind: MetricKind, unit: string): string {
  return `Torchserve prometheus ${kind} metric with unit: ${unit}`;
}

function metricName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_:]/g, '_');
}

function labelName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_');
}

function withHost(labelNames: readonly string[]): readonly string[] {
  return labelNames.includes(HOST_LABEL) ? labelNames : [...labelNames, HOST_LABEL];
}
