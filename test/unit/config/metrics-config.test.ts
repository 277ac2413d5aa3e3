import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, type GivenSetting } from '../../../src/config/config-error.ts';
import { readMetricsConfig } from '../../../src/config/metrics-config.ts';

const setting: GivenSetting = { key: 'metrics_config', value: 'm.yaml', origin: 'file', where: 'config.properties' };
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-metrics-config-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function read(text: string) {
  const path = join(folder, 'm.yaml');
  await writeFile(path, text);
  return readMetricsConfig(path, setting);
}

describe('the metrics file', () => {
  it('lists metrics by section and kind, with anchors', async () => {
    const { listed, notices } = await read(`
dimensions: [&level Level, &host Hostname]
ts_metrics:
  counter: [{name: Requests2XX, unit: Count, dimensions: [*level, *host]}]
model_metrics:
  gauge:
    - {name: HandlerTime, unit: ms, dimensions: [ModelName, *level]}
    - {name: Bare, unit: ms}
  histogram:
`);
    expect(listed).toEqual({
      server: [{ name: 'Requests2XX', unit: 'Count', kind: 'counter', dimensions: ['Level', 'Hostname'] }],
      model: [
        { name: 'HandlerTime', unit: 'ms', kind: 'gauge', dimensions: ['ModelName', 'Level'] },
        { name: 'Bare', unit: 'ms', kind: 'gauge', dimensions: [] },
      ],
    });
    expect(notices).toEqual([]);
  });

  it('tells of sections that it cannot have', async () => {
    const { notices } = await read('mode: prometheus\nts_metrics:\nmodel_metrics:\n');
    expect(notices).toEqual([expect.stringMatching(/m\.yaml: "mode" is no section of a metrics file/)]);
  });

  it('must be there', async () => {
    const failure = await readMetricsConfig(join(folder, 'absent.yaml'), setting).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(String(failure)).toContain('config.properties: metrics_config=m.yaml: there is no such file');
  });

  const MODEL = 'ts_metrics: {}\nmodel_metrics: ';
  it.each([
    ['a: [', 'the file is not YAML: line 1'],
    ['', 'the file has no sections'],
    ['- 1', 'the file has no sections'],
    ['ts_metrics: {}', 'the file has no section model_metrics; add it, empty'],
    ['model_metrics: {}', 'the file has no section ts_metrics'],
    [`${MODEL}[]`, 'model_metrics: expected a map of counter, gauge and histogram'],
    [`${MODEL}{summary: []}`, 'model_metrics.summary: expected one of counter, gauge, histogram'],
    [`${MODEL}{gauge: {name: A}}`, 'model_metrics.gauge: expected a list'],
    [`${MODEL}{gauge: [A]}`, 'model_metrics.gauge[0]: expected a map of name, unit and dimensions'],
    [`${MODEL}{gauge: [{unit: A}]}`, 'model_metrics.gauge[0].name: expected a name'],
    [`${MODEL}{gauge: [{name: a b, unit: A}]}`, 'model_metrics.gauge[0].name: expected a name'],
    [`${MODEL}{gauge: [{name: A, unit: ""}]}`, 'model_metrics.gauge[0].unit: expected a unit'],
    [`${MODEL}{gauge: [{name: A, unit: B, dimensions: C}]}`, 'dimensions: expected a list of names'],
    [`${MODEL}{gauge: [{name: A, unit: B, dimensions: [1]}]}`, 'dimensions: expected a list of names'],
    [`${MODEL}{gauge: [{name: A, unit: B}], counter: [{name: A, unit: B}]}`, 'the metric A is listed twice'],
    [`${MODEL}!!python/object {}`, 'the file is not YAML'],
  ])('%j refuses the start', async (text, problem) => {
    const failure = await read(text).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(String(failure)).toContain(problem);
  });
});
