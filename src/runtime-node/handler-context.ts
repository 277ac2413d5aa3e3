// What a handler is told about its model and the server: the context object, with its log and its metrics.
import { resolve } from 'node:path';
import type { ModelMetric } from '../core/ports.ts';
import type { LoadMessage } from '../protocol/messages.ts';
import type { HandlerContext, HandlerLog, HandlerMetrics, MetricOptions } from './handler.ts';
import { openOnnx } from './handler-onnx.ts';
import { onnxSettings } from './onnx-settings.ts';

/** What the worker lends to a handler. */
export interface HandlerResources {
  /** Passes a value on to the server. */
  reportMetric(metric: ModelMetric): void;
  /** Threads for one run of an ONNX session whose model does not set them; at least 1. */
  readonly onnxThreads: number;
}

export function handlerContext(load: LoadMessage, resources: HandlerResources): HandlerContext {
  const modelFile = load.modelFile === null ? undefined : resolve(load.modelDir, load.modelFile);
  return {
    modelName: load.modelName,
    modelVersion: load.modelVersion,
    modelFolder: load.modelDir,
    modelFile,
    config: load.modelConfig ?? {},
    batchSize: load.batchSize,
    gpuId: load.gpuId ?? undefined,
    threads: load.threads,
    log: HANDLER_LOG,
    metrics: metricsOf(load.modelName, resources),
    onnx: async (path) => {
      const file = path === undefined ? modelFile : resolve(load.modelDir, path);
      if (file === undefined) {
        throw new TypeError('context.onnx: name a file, or let the manifest name one (model.serializedFile).');
      }
      const { modelConfig, gpuId } = load;
      const providers = gpuId === null ? (['cpu'] as const) : (['cuda', 'cpu'] as const);
      return openOnnx(file, onnxSettings({ modelConfig, threads: resources.onnxThreads }, providers), gpuId);
    },
  };
}

// The server logs stdout as info and stderr as warn; the two other levels say so themselves.
export const HANDLER_LOG: HandlerLog = {
  debug: (message, fields) => void process.stdout.write(line(`DEBUG ${message}`, fields)),
  info: (message, fields) => void process.stdout.write(line(message, fields)),
  warn: (message, fields) => void process.stderr.write(line(message, fields)),
  error: (message, fields) => void process.stderr.write(line(`ERROR ${message}`, fields)),
};

function line(message: string, fields: Readonly<Record<string, unknown>> | undefined): string {
  if (fields === undefined) return `${message}\n`;
  let text: string;
  try {
    text = JSON.stringify(fields);
  } catch (error) {
    text = `(fields that JSON cannot say: ${error instanceof Error ? error.message.split('\n', 1)[0] : String(error)})`;
  }
  return `${message} ${text}\n`;
}

function metricsOf(modelName: string, resources: HandlerResources): HandlerMetrics {
  const reporter = (kind: ModelMetric['kind'], name: string, options: MetricOptions = {}) => {
    if (typeof name !== 'string' || name === '') throw new TypeError(`A ${kind} needs a name.`);
    const unit = options.unit ?? 'Count';
    const dimensions: ModelMetric['dimensions'] = [
      ['ModelName', modelName],
      ['Level', 'Model'],
      ...Object.entries(options.dimensions ?? {}),
    ];
    return (value: number) => {
      if (!Number.isFinite(value)) {
        throw new TypeError(`The ${kind} ${name} takes a finite number, found ${String(value)}.`);
      }
      if (kind === 'counter' && value < 0) throw new TypeError(`The counter ${name} only grows, found ${value}.`);
      resources.reportMetric({ kind, name, unit, value, dimensions });
    };
  };
  return {
    counter: (name, options) => {
      const report = reporter('counter', name, options);
      return { add: (value = 1) => report(value) };
    },
    gauge: (name, options) => ({ set: reporter('gauge', name, options) }),
    histogram: (name, options) => ({ observe: reporter('histogram', name, options) }),
  };
}
