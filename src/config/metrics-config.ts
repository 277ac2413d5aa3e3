// The file that `metrics_config` names: which metrics of the server and of handlers there are, with their kinds, units and dimensions. What is
// done with it is the telemetry's and the workers' business.
import { readFile } from 'node:fs/promises';
import type { ListedMetric, ListedMetrics, MetricKind } from '../core/listed-metrics.ts';
import { ConfigError, type GivenSetting } from './config-error.ts';
import { parseYaml, UnusableYaml } from './yaml-text.ts';

const KINDS: readonly MetricKind[] = ['counter', 'gauge', 'histogram'];
const SECTIONS: readonly string[] = ['dimensions', 'ts_metrics', 'model_metrics'];

const METRIC_NAME = /^[A-Za-z_:][\w:]*$/;
const DIMENSION_NAME = /^[A-Za-z_]\w*$/;

/** What the file lists, and one line each about what has no effect. */
export interface MetricsConfig {
  readonly listed: ListedMetrics;
  readonly notices: readonly string[];
}

/**
 * Reads the file.
 * @throws ConfigError, naming the setting, for a file that cannot be read and for the first entry that cannot be used
 */
export async function readMetricsConfig(path: string, setting: GivenSetting): Promise<MetricsConfig> {
  const content = await readRecord(path, setting);
  const section = (name: string) => {
    if (!Object.hasOwn(content, name)) {
      throw new ConfigError(
        `the file has no section ${name}; add it, empty (${name}: {}) when it lists nothing`,
        setting,
      );
    }
    return listedIn(content[name], name, setting);
  };
  const [server, model] = [section('ts_metrics'), section('model_metrics')];
  const names = [...server, ...model].map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new ConfigError(`the metric ${twice} is listed twice; keep one of them`, setting);
  const others = Object.keys(content).filter((key) => !SECTIONS.includes(key));
  return {
    listed: { server, model },
    notices: others.map((key) => `${path}: "${key}" is no section of a metrics file and has no effect`),
  };
}

async function readRecord(path: string, setting: GivenSetting): Promise<Readonly<Record<string, unknown>>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const problem = code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${String(code)})`;
    throw new ConfigError(`${problem}; correct the path or its permissions`, setting, error);
  }
  try {
    const content = await parseYaml(text);
    if (isRecord(content)) return content;
  } catch (error) {
    if (error instanceof UnusableYaml) throw new ConfigError(`the file is not YAML: ${error.message}`, setting, error);
    throw error;
  }
  throw new ConfigError('the file has no sections; expected ts_metrics and model_metrics', setting);
}

function listedIn(value: unknown, section: string, setting: GivenSetting): readonly ListedMetric[] {
  if (value === null) return [];
  if (!isRecord(value)) throw wrong(section, 'a map of counter, gauge and histogram', setting);
  return Object.entries(value).flatMap(([word, entries]) => {
    const kind = KINDS.find((known) => known === word);
    if (kind === undefined) throw wrong(`${section}.${word}`, `one of ${KINDS.join(', ')} as the kind`, setting);
    if (entries === null) return [];
    if (!Array.isArray(entries)) throw wrong(`${section}.${word}`, 'a list of metrics', setting);
    return entries.map((entry, index) => metricOf(entry, kind, `${section}.${word}[${index}]`, setting));
  });
}

function metricOf(entry: unknown, kind: MetricKind, where: string, setting: GivenSetting): ListedMetric {
  if (!isRecord(entry)) throw wrong(where, 'a map of name, unit and dimensions', setting);
  const { name, unit, dimensions = [] } = entry;
  if (typeof name !== 'string' || !METRIC_NAME.test(name)) {
    throw wrong(`${where}.name`, 'a name of letters, digits and _', setting);
  }
  if (typeof unit !== 'string' || unit === '') throw wrong(`${where}.unit`, 'a unit', setting);
  const isName = (dimension: unknown): dimension is string =>
    typeof dimension === 'string' && DIMENSION_NAME.test(dimension);
  if (!Array.isArray(dimensions) || !dimensions.every(isName)) {
    throw wrong(`${where}.dimensions`, 'a list of names of letters, digits and _', setting);
  }
  return { name, unit, kind, dimensions };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wrong(where: string, expected: string, setting: GivenSetting): ConfigError {
  return new ConfigError(`${where}: expected ${expected}`, setting);
}
