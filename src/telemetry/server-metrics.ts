// What the server counts, in TorchServe's names where it has one and as sconce_… where it has none. Hot paths only add to numbers; the
// Prometheus text is made when somebody asks.
import { hostname } from 'node:os';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ModelMetric, ServingObserver } from '../core/ports.ts';

const MODEL_LABELS = ['model_name', 'model_version', 'hostname'] as const;
const HOST_LABELS = ['Level', 'Hostname'] as const;
const DURATION_BUCKETS_SEC = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What can be asked about a version when metrics are collected. */
export interface QueueGauge {
  readonly waiting: number;
  readonly running: number;
}

/** Sums of one model version. */
interface VersionSums {
  accepted: number;
  answered: number;
  queueMicroseconds: number;
  totalMicroseconds: number;
  readonly failures: Map<string, number>;
  queue: QueueGauge | undefined;
}

export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #host = hostname();
  readonly #responses = { '2XX': 0, '4XX': 0, '5XX': 0 };
  readonly #versions = new Map<
    string,
    { readonly name: string; readonly version: string; readonly sums: VersionSums }
  >();
  readonly #modelMetrics = new Map<string, Counter | Gauge | Histogram>();
  readonly #durations: Histogram<'model_name' | 'model_version'>;
  /** Model name → how long its handler took for the latest batch. */
  readonly #handlerMs = new Map<string, number>();
  #lastQueueMs = 0;

  constructor(droppedLogLines: () => number = () => 0) {
    this.#durations = new Histogram({
      name: 'sconce_request_duration_seconds',
      help: 'Time from the arrival of a request to the end of its answer',
      labelNames: ['model_name', 'model_version'],
      buckets: DURATION_BUCKETS_SEC,
      registers: [this.#registry],
    });
    for (const family of ['2XX', '4XX', '5XX'] as const)
      this.#hostCounter(`Requests${family}`, () => this.#responses[family]);
    this.#hostGauge('QueueTime', 'Milliseconds', () => this.#lastQueueMs);
    this.#modelCounter('ts_inference_requests_total', 'Count', (sums) => sums.accepted);
    this.#modelCounter('ts_inference_latency_microseconds', 'Microseconds', (sums) => sums.totalMicroseconds);
    this.#modelCounter('ts_queue_latency_microseconds', 'Microseconds', (sums) => sums.queueMicroseconds);
    this.#queueGauge('sconce_queue_waiting', 'Requests that wait for a worker', (queue) => queue.waiting);
    this.#queueGauge('sconce_queue_running', 'Requests that a worker has', (queue) => queue.running);
    this.#predictionTimeGauge();
    this.#failureCounter();
    this.#registerCounter(
      'sconce_log_lines_dropped_total',
      'Log lines dropped because the log was read too slowly',
      [],
      (counter) => {
        counter.inc(droppedLogLines());
      },
    );
  }

  /** Counts an answer on any HTTP listener; what is neither 2xx nor 4xx counts as 5XX, as in TorchServe. */
  responded(status: number): void {
    if (status >= 200 && status < 300) this.#responses['2XX'] += 1;
    else if (status >= 400 && status < 500) this.#responses['4XX'] += 1;
    else this.#responses['5XX'] += 1;
  }

  /** A model's handler took so long for a batch. */
  handlerTook(model: string, handlerMs: number): void {
    this.#handlerMs.set(model, handlerMs);
  }

  /** The observer of one model version's jobs; sums go on when a version is registered again. */
  observerFor(name: string, version: string): ServingObserver {
    const { sums } = this.#version(name, version);
    const labels = { model_name: name, model_version: version };
    return {
      queued: () => {
        sums.accepted += 1;
      },
      dispatched: (_job, waitedMs) => {
        sums.queueMicroseconds += waitedMs * 1000;
        this.#lastQueueMs = Math.round(waitedMs);
      },
      finished: (_job, failure, tookMs) => {
        if (failure === undefined) {
          sums.answered += 1;
          sums.totalMicroseconds += tookMs * 1000;
        } else sums.failures.set(failure, (sums.failures.get(failure) ?? 0) + 1);
        this.#durations.observe(labels, tookMs / 1000);
      },
    };
  }

  /** Shows this queue as the version's from now on. */
  watchQueue(name: string, version: string, queue: QueueGauge): void {
    this.#version(name, version).sums.queue = queue;
  }

  /** Shows this queue no more; that of a version registered again in the meantime stays. */
  unwatchQueue(name: string, version: string, queue: QueueGauge): void {
    const { sums } = this.#version(name, version);
    if (sums.queue === queue) sums.queue = undefined;
  }

  /** Takes a metric that a worker reported. The first report of a name fixes its kind and its dimensions. */
  modelMetric(metric: ModelMetric): void {
    const name = metric.name.replaceAll(/[^A-Za-z0-9_:]/g, '_');
    const labels: Record<string, string> = { Hostname: this.#host };
    for (const [dimension, value] of metric.dimensions) labels[dimension.replaceAll(/[^A-Za-z0-9_]/g, '_')] = value;
    try {
      const known = this.#modelMetrics.get(name) ?? this.#newModelMetric(name, metric, Object.keys(labels));
      if (known instanceof Counter) known.inc(labels, metric.value);
      else if (known instanceof Gauge) known.set(labels, metric.value);
      else known.observe(labels, metric.value);
    } catch {
      // A name that is taken, other dimensions than before, a negative counter: a handler's mistake costs its metric, nothing else.
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The Prometheus text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #version(name: string, version: string) {
    const key = `${name}\n${version}`;
    const known = this.#versions.get(key);
    if (known !== undefined) return known;
    const sums: VersionSums = {
      accepted: 0,
      answered: 0,
      queueMicroseconds: 0,
      totalMicroseconds: 0,
      failures: new Map(),
      queue: undefined,
    };
    const added = { name, version, sums };
    this.#versions.set(key, added);
    return added;
  }

  #newModelMetric(name: string, metric: ModelMetric, labelNames: string[]): Counter | Gauge | Histogram {
    const options = { name, help: helpOf(metric.kind, metric.unit), labelNames, registers: [this.#registry] };
    const kinds = { counter: Counter, gauge: Gauge, histogram: Histogram };
    const added = new kinds[metric.kind](options);
    this.#modelMetrics.set(name, added);
    return added;
  }

  #hostCounter(name: string, value: () => number): void {
    this.#registerCounter(name, helpOf('counter', 'Count'), HOST_LABELS, (counter) => {
      counter.inc({ Level: 'Host', Hostname: this.#host }, value());
    });
  }

  #hostGauge(name: string, unit: string, value: () => number): void {
    const host = this.#host;
    new Gauge({
      name,
      help: helpOf('gauge', unit),
      labelNames: HOST_LABELS,
      registers: [this.#registry],
      collect() {
        this.set({ Level: 'Host', Hostname: host }, value());
      },
    });
  }

  #modelCounter(name: string, unit: string, value: (sums: VersionSums) => number): void {
    this.#registerCounter(name, helpOf('counter', unit), MODEL_LABELS, (counter) => {
      for (const { name: model_name, version: model_version, sums } of this.#versions.values()) {
        // A registration that failed leaves no series of zeros behind.
        if (sums.accepted > 0) counter.inc({ model_name, model_version, hostname: this.#host }, value(sums));
      }
    });
  }

  #predictionTimeGauge(): void {
    const [host, handlerMs] = [this.#host, this.#handlerMs];
    new Gauge({
      name: 'PredictionTime',
      help: helpOf('gauge', 'Milliseconds'),
      labelNames: ['Hostname', 'ModelName', 'Level'],
      registers: [this.#registry],
      collect() {
        for (const [model, ms] of handlerMs) this.set({ Hostname: host, ModelName: model, Level: 'Model' }, ms);
      },
    });
  }

  #failureCounter(): void {
    const labels = ['model_name', 'model_version', 'code'] as const;
    this.#registerCounter(
      'sconce_failed_requests_total',
      'Requests that ended in an error, by its code',
      labels,
      (counter) => {
        for (const { name: model_name, version: model_version, sums } of this.#versions.values()) {
          for (const [code, count] of sums.failures) counter.inc({ model_name, model_version, code }, count);
        }
      },
    );
  }

  #queueGauge(name: string, help: string, value: (queue: QueueGauge) => number): void {
    const versions = this.#versions;
    new Gauge({
      name,
      help,
      labelNames: ['model_name', 'model_version'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const { name: model_name, version: model_version, sums } of versions.values()) {
          if (sums.queue !== undefined) this.set({ model_name, model_version }, value(sums.queue));
        }
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

function helpOf(kind: string, unit: string): string {
  return `Torchserve prometheus ${kind} metric with unit: ${unit}`;
}
