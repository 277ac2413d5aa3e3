// What the server counts, in TorchServe's names where it has one and as sconce_… where it has none. Hot paths only add to numbers; the
// Prometheus text is made when somebody asks.
import { hostname } from 'node:os';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BatchTime } from '../core/batch-time.ts';
import type { HeaderPair } from '../core/job.ts';
import type { MetricsSettings } from '../core/listed-metrics.ts';
import type { ModelMetric, ServingObserver } from '../core/ports.ts';
import { type DropReason, HandlerMetrics, helpOf } from './handler-metrics.ts';
import type { WriteMetric } from './metric-lines.ts';
import { shownUnit, TORCHSERVE_METRICS, type TorchserveMetricName } from './torchserve-metrics.ts';
import { type QueueGauge, type VersionSums, VersionTable } from './version-table.ts';

const ON_HOST: readonly HeaderPair[] = [['Level', 'Host']];
const ON_MODEL: HeaderPair = ['Level', 'Model'];
const DURATION_BUCKETS_SEC = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export interface ServerMetricsOptions {
  droppedLogLines?(): number;
  /** How many bytes of request bodies are in memory, and in files. */
  readonly bodyBytes?: { inMemory(): number; inFiles(): number };
  readonly settings?: MetricsSettings;
  /** Writes values down as they come, where that is wanted. */
  readonly write?: WriteMetric | undefined;
  /** Tells the operator of metrics that do not come through. */
  onTrouble?(message: string): void;
}

const EVERYTHING: MetricsSettings = { mode: 'prometheus', listed: undefined, isAutoDetecting: true };
const PREDICTION_TIME = 'PredictionTime';
const DROP_REASONS: readonly DropReason[] = ['unlisted', 'mismatch', 'too_many_series', 'too_many_metrics'];

export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #host = hostname();
  readonly #responses = { '2XX': 0, '4XX': 0, '5XX': 0 };
  readonly #versions = new VersionTable();
  readonly #settings: MetricsSettings;
  readonly #write: WriteMetric | undefined;
  /** Undefined when the metrics file leaves PredictionTime out. */
  readonly #predictionTimeUnit: string | undefined;
  readonly #handlers: HandlerMetrics;
  readonly #durations: Histogram<'model_name' | 'model_version'>;
  /** Model name → how long its handler took for the latest batch. */
  readonly #handlerMs = new Map<string, number>();
  #lastQueueMs = 0;

  constructor(options: ServerMetricsOptions = {}) {
    const { droppedLogLines = () => 0, settings = EVERYTHING, onTrouble = () => {} } = options;
    this.#settings = settings;
    this.#write = options.write;
    const listed = settings.listed?.model.find(({ name }) => name === PREDICTION_TIME);
    const isShown = settings.listed === undefined || settings.isAutoDetecting;
    this.#predictionTimeUnit = listed?.unit ?? (isShown ? 'Milliseconds' : undefined);
    this.#durations = new Histogram({
      name: 'sconce_request_duration_seconds',
      help: 'Time from the arrival of a request to the end of its answer',
      labelNames: ['model_name', 'model_version'],
      buckets: DURATION_BUCKETS_SEC,
      registers: [this.#registry],
    });
    for (const family of ['2XX', '4XX', '5XX'] as const)
      this.#hostCounter(`Requests${family}`, () => this.#responses[family]);
    this.#queueTimeGauge();
    this.#modelCounter('ts_inference_requests_total', (sums) => sums.accepted);
    this.#modelCounter('ts_inference_latency_microseconds', (sums) => sums.totalMicroseconds);
    this.#modelCounter('ts_queue_latency_microseconds', (sums) => sums.queueMicroseconds);
    this.#queueGauge('sconce_queue_waiting', 'Requests that wait for a worker', (queue) => queue.waiting);
    this.#queueGauge('sconce_queue_running', 'Requests that a worker has', (queue) => queue.running);
    this.#batchTimeGauge('sconce_batch_base_seconds', 'Learned time that every batch takes', (time) => time.baseMs);
    this.#batchTimeGauge(
      'sconce_batch_per_request_seconds',
      'Learned time of each request in a batch',
      (time) => time.perJobMs,
    );
    this.#predictionTimeGauge();
    this.#failureCounter();
    const { bodyBytes = { inMemory: () => 0, inFiles: () => 0 } } = options;
    const inMemory = 'Bytes of request bodies in memory';
    this.#gauge('sconce_buffered_bytes', inMemory, [], (gauge) => gauge.set(bodyBytes.inMemory()));
    const inFiles = 'Bytes of request bodies in files, because they are large';
    this.#gauge('sconce_stored_bytes', inFiles, [], (gauge) => gauge.set(bodyBytes.inFiles()));
    this.#registerCounter(
      'sconce_log_lines_dropped_total',
      'Log lines dropped because the log was read too slowly',
      [],
      (counter) => {
        counter.inc(droppedLogLines());
      },
    );
    this.#handlers = new HandlerMetrics({
      registry: this.#registry,
      host: this.#host,
      settings,
      takenNames: new Set([...Object.keys(TORCHSERVE_METRICS), PREDICTION_TIME]),
      onTrouble,
    });
    this.#droppedReportsCounter();
  }

  /** Counts an answer on any HTTP listener; what is neither 2xx nor 4xx counts as 5XX, as in TorchServe. */
  responded(status: number): void {
    const family = status >= 200 && status < 300 ? '2XX' : status >= 400 && status < 500 ? '4XX' : '5XX';
    this.#responses[family] += 1;
    if (this.#write !== undefined) this.#writeOwn(`Requests${family}`, 1, ON_HOST);
  }

  /** A model's handler took so long for a batch. */
  handlerTook(model: string, handlerMs: number): void {
    const unit = this.#predictionTimeUnit;
    if (unit === undefined) return;
    this.#handlerMs.set(model, handlerMs);
    if (this.#write === undefined) return;
    const dimensions: HeaderPair[] = [['ModelName', model], ON_MODEL];
    this.#write('MODEL_METRICS', { name: PREDICTION_TIME, unit, value: handlerMs, dimensions });
  }

  /** The observer of one model version's jobs; sums go on when a version is registered again. */
  observerFor(name: string, version: string): ServingObserver {
    const { sums } = this.#versions.of(name, version);
    const labels = { model_name: name, model_version: version };
    const dimensions: HeaderPair[] = Object.entries(labels);
    return {
      queued: (job) => {
        if (job.request.kind === 'describe') return;
        sums.accepted += 1;
        if (this.#write !== undefined) this.#writeOwn('ts_inference_requests_total', 1, dimensions);
      },
      dispatched: (job, waitedMs) => {
        if (job.request.kind === 'describe') return;
        sums.queueMicroseconds += waitedMs * 1000;
        this.#lastQueueMs = Math.round(waitedMs);
        if (this.#write === undefined) return;
        this.#writeOwn('QueueTime', this.#lastQueueMs, ON_HOST);
        this.#writeOwn('ts_queue_latency_microseconds', waitedMs * 1000, dimensions);
      },
      finished: (job, failure, tookMs) => {
        if (job.request.kind === 'describe') return;
        if (failure === undefined) {
          sums.answered += 1;
          sums.totalMicroseconds += tookMs * 1000;
          if (this.#write !== undefined) this.#writeOwn('ts_inference_latency_microseconds', tookMs * 1000, dimensions);
        } else sums.failures.set(failure, (sums.failures.get(failure) ?? 0) + 1);
        this.#durations.observe(labels, tookMs / 1000);
      },
    };
  }

  /** Counts this queue among the version's from now on; what is shown is their sum. */
  watchQueue(name: string, version: string, queue: QueueGauge): void {
    this.#versions.of(name, version).sums.queues.add(queue);
  }

  /** Counts this queue no more; that of a version registered again in the meantime stays. */
  unwatchQueue(name: string, version: string, queue: QueueGauge): void {
    this.#versions.of(name, version).sums.queues.delete(queue);
  }

  /** Takes a metric that a worker reported; see HandlerMetrics for those that are not kept. */
  modelMetric(metric: ModelMetric): void {
    const unit = this.#handlers.report(metric);
    if (unit !== undefined) this.#write?.('MODEL_METRICS', { ...metric, unit });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The Prometheus text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Writes one of the server's own metrics down, unless the metrics file leaves it out. */
  #writeOwn(name: TorchserveMetricName, value: number, dimensions: readonly HeaderPair[]): void {
    const unit = shownUnit(name, this.#settings.listed);
    if (unit !== undefined) this.#write?.('TS_METRICS', { name, unit, value, dimensions });
  }

  #hostCounter(name: TorchserveMetricName, value: () => number): void {
    const unit = shownUnit(name, this.#settings.listed);
    if (unit === undefined) return;
    this.#registerCounter(name, helpOf('counter', unit), TORCHSERVE_METRICS[name].dimensions, (counter) => {
      counter.inc({ Level: 'Host', Hostname: this.#host }, value());
    });
  }

  #queueTimeGauge(): void {
    const unit = shownUnit('QueueTime', this.#settings.listed);
    if (unit === undefined) return;
    this.#gauge('QueueTime', helpOf('gauge', unit), TORCHSERVE_METRICS.QueueTime.dimensions, (gauge) => {
      gauge.set({ Level: 'Host', Hostname: this.#host }, this.#lastQueueMs);
    });
  }

  #modelCounter(name: TorchserveMetricName, value: (sums: VersionSums) => number): void {
    const unit = shownUnit(name, this.#settings.listed);
    if (unit === undefined) return;
    this.#registerCounter(name, helpOf('counter', unit), TORCHSERVE_METRICS[name].dimensions, (counter) => {
      for (const { name: model_name, version: model_version, sums } of this.#versions.all()) {
        // A registration that failed leaves no series of zeros behind.
        if (sums.accepted > 0) counter.inc({ model_name, model_version, hostname: this.#host }, value(sums));
      }
    });
  }

  #predictionTimeGauge(): void {
    const unit = this.#predictionTimeUnit;
    if (unit === undefined) return;
    this.#gauge(PREDICTION_TIME, helpOf('gauge', unit), ['ModelName', 'Level', 'Hostname'], (gauge) => {
      for (const [ModelName, ms] of this.#handlerMs) gauge.set({ ModelName, Level: 'Model', Hostname: this.#host }, ms);
    });
  }

  #droppedReportsCounter(): void {
    const help = 'Reports of handlers that were not kept as metrics, by the reason';
    this.#registerCounter('sconce_metric_reports_dropped_total', help, ['reason'], (counter) => {
      for (const reason of DROP_REASONS) counter.inc({ reason }, this.#handlers.dropped[reason]);
    });
  }

  #failureCounter(): void {
    const labels = ['model_name', 'model_version', 'code'] as const;
    this.#registerCounter(
      'sconce_failed_requests_total',
      'Requests that ended in an error, by its code',
      labels,
      (counter) => {
        for (const { name: model_name, version: model_version, sums } of this.#versions.all()) {
          for (const [code, count] of sums.failures) counter.inc({ model_name, model_version, code }, count);
        }
      },
    );
  }

  #queueGauge(name: string, help: string, value: (queue: QueueGauge) => number): void {
    this.#gauge(name, help, ['model_name', 'model_version'], (gauge) => {
      for (const { name: model_name, version: model_version, sums } of this.#versions.all()) {
        const lengths = [...sums.queues].map(value);
        if (lengths.length > 0)
          gauge.set(
            { model_name, model_version },
            lengths.reduce((sum, length) => sum + length),
          );
      }
    });
  }

  #batchTimeGauge(name: string, help: string, valueMs: (time: BatchTime) => number): void {
    this.#gauge(name, help, ['model_name', 'model_version'], (gauge) => {
      for (const { name: model_name, version: model_version, sums } of this.#versions.all()) {
        for (const { batchTime } of sums.queues)
          if (batchTime !== undefined) gauge.set({ model_name, model_version }, valueMs(batchTime) / 1000);
      }
    });
  }

  #gauge<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    fill: (gauge: Gauge<L>) => void,
  ): void {
    new Gauge<L>({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset();
        fill(this);
      },
    });
  }

  #registerCounter<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    fill: (counter: Counter<L>) => void,
  ): void {
    new Counter<L>({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        this.reset();
        fill(this);
      },
    });
  }
}
