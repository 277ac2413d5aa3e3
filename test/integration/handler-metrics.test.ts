// What a Python handler reports through context.metrics, on its way to /metrics and into the log: kinds, units, dimensions, the operator's
// metrics file, and what keeps a careless handler from filling the server.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeMar, manifestFile } from '../support/archive-forge.ts';
import { type ServerOptions, startServer, type TestServer } from '../support/sconce-server.ts';
import { runServe } from '../support/server-command.ts';

const HANDLER = `
from ts.metrics.dimension import Dimension
from ts.metrics.metric_type_enum import MetricTypes

class Handler:
    def initialize(self, context):
        self.registered = context.metrics.add_metric_to_cache(
            "Registered", "MB", ["Kind", "Level"], MetricTypes.GAUGE)
        self.initialized = True

    def handle(self, data, context):
        metrics = context.metrics
        task = data[0]["body"]["do"]
        if task == "each":
            metrics.add_counter("Hits", 2)
            metrics.add_counter("Hits", 3)
            metrics.add_time("Took", 12.5)
            metrics.add_time("TookSeconds", 1, unit="s", idx=0)
            metrics.add_size("Size", 7, unit="kB", dimensions=[Dimension("Layer", "conv-1")])
            metrics.add_percent("Share", 50)
            metrics.add_metric("Faces", 3, "faces", metric_type=MetricTypes.HISTOGRAM)
            metrics.add_error("Mistakes", 1)
            self.registered.add_or_update(9, ["weights", "Model"])
        elif task == "wrong":
            metrics.add_counter("Hits", -1)
            metrics.add_metric("Hits", 1, "count", metric_type=MetricTypes.GAUGE)
            metrics.add_metric("Hits", 1, "count", dimensions=[Dimension("More", "x")])
            self.registered.add_or_update(1, ["one value"])
            metrics.add_counter("QueueTime", 1)
        elif task == "users":
            for user in range(1100):
                metrics.add_counter("Users", 1, dimensions=[Dimension("User", "u%d" % user)])
        elif task == "names":
            for name in range(1200):
                metrics.add_counter("Name%d" % name, 1)
        elif task == "inject":
            metrics.add_counter("Inject", 1, dimensions=[Dimension("Text", 'a"b\\nFake 1\\\\')])
        elif task == "listed":
            metrics.get_metric("Listed").add_or_update(4, ["cat", "Model"])
            metrics.add_metric("Latency", 0.2, "ms", dimensions=[], metric_type=MetricTypes.HISTOGRAM)
            metrics.add_counter("Unlisted", 1)
        return ["done"] * len(data)
`;

let folder: string;
let server: TestServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-metrics-'));
  await makeMar(join(folder, 'm.mar'), {
    ...manifestFile({ modelName: 'm', handler: 'handler.py' }),
    'handler.py': HANDLER,
  });
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function serve(settings: ServerOptions['settings'] = {}): Promise<TestServer> {
  server = await startServer({
    modelStore: folder,
    settings: { load_models: 'm.mar', default_workers_per_model: 1, ...settings },
  });
  return server;
}

async function ask(task: string): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ do: task });
  const answer = await fetch(`${server?.inference}/predictions/m`, { method: 'POST', headers, body });
  expect(await answer.text()).toBe('done');
}

/** The lines of one metric, comments included, once there is a sample with these words. */
function linesOf(name: string, awaited = ''): Promise<string[]> {
  const isOfMetric = new RegExp(`^(?:# \\w+ )?${name}(?:_\\w+)?[ {]`);
  return vi.waitFor(
    async () => {
      const text = await (await fetch(`${server?.metrics}/metrics`)).text();
      const lines = text.split('\n').filter((line) => isOfMetric.test(line));
      const samples = lines.filter((line) => !line.startsWith('#'));
      if (!samples.some((line) => line.includes(awaited)))
        throw new Error(`no sample of ${name} with ${awaited}: ${samples}`);
      return lines;
    },
    { interval: 20, timeout: 10_000 },
  );
}

const HOST = `Hostname="${hostname()}"`;
const MODEL = `ModelName="m",Level="Model",${HOST}`;

describe('without a metrics file', () => {
  test.each(['documented', 'torchserve'])(
    'every report is shown with its kind, unit and dimensions (%s)',
    async (dialect) => {
      await serve({ api_dialect: dialect });
      await ask('each');
      expect(await linesOf('Hits')).toEqual([
        '# HELP Hits Torchserve prometheus counter metric with unit: Count',
        '# TYPE Hits counter',
        `Hits{${MODEL}} 5`,
      ]);
      expect(await linesOf('Took')).toEqual([
        '# HELP Took Torchserve prometheus gauge metric with unit: Milliseconds',
        '# TYPE Took gauge',
        `Took{${MODEL}} 12.5`,
      ]);
      expect((await linesOf('TookSeconds'))[0]).toContain('unit: Seconds');
      expect(await linesOf('Size')).toEqual([
        '# HELP Size Torchserve prometheus gauge metric with unit: Kilobytes',
        '# TYPE Size gauge',
        `Size{Layer="conv-1",${MODEL}} 7`,
      ]);
      expect((await linesOf('Share')).at(-1)).toBe(`Share{${MODEL}} 50`);
      const faces = await linesOf('Faces');
      expect(faces[1]).toBe('# TYPE Faces histogram');
      expect(faces).toContain(`Faces_sum{${MODEL}} 3`);
      expect(faces).toContain(`Faces_bucket{le="5",${MODEL}} 1`);
      expect((await linesOf('Mistakes')).at(-1)).toBe(`Mistakes{Level="Error",${HOST}} 1`);
      expect((await linesOf('Registered')).at(-1)).toBe(`Registered{Kind="weights",Level="Model",${HOST}} 9`);
      expect((await linesOf('PredictionTime')).at(-1)).toMatch(new RegExp(`^PredictionTime\\{${MODEL}\\} [\\d.]+$`));
    },
  );

  test('what does not fit is left out, counted where it reached the server, and told once', async () => {
    await serve();
    await ask('each');
    await ask('wrong');
    await ask('wrong');
    // A gauge under the name of a counter, and a name of the server's own; twice each. The rest does not leave the worker.
    await linesOf('sconce_metric_reports_dropped_total', 'reason="mismatch"} 4');
    expect((await linesOf('Hits')).at(-1)).toBe(`Hits{${MODEL}} 5`);
    const told = server?.log.filter(({ msg }) => /the metric "Hits" of a handler loses reports/.test(msg ?? ''));
    expect(told).toHaveLength(1);
  });

  test('a dimension with ever new values stops at a thousand series, and the rest is counted', async () => {
    await serve();
    await ask('users');
    await linesOf('sconce_metric_reports_dropped_total', 'reason="too_many_series"} 100');
    expect((await linesOf('Users')).filter((line) => !line.startsWith('#'))).toHaveLength(1000);
    await server?.waitForLog(({ msg }) => /"Users" of a handler loses reports.*1000 combinations/.test(msg ?? ''));
  });

  test('ever new names stop at a thousand metrics', async () => {
    await serve();
    await ask('names');
    await linesOf('Name0');
    const text = await (await fetch(`${server?.metrics}/metrics`)).text();
    const dropped = Number(/too_many_metrics"\} (\d+)/.exec(text)?.[1]);
    expect(dropped + (text.match(/^# TYPE Name\d+ /gm) ?? []).length).toBe(1200);
    expect(dropped).toBeGreaterThanOrEqual(200);
  });

  test('a value cannot end its line', async () => {
    await serve();
    await ask('inject');
    expect((await linesOf('Inject')).at(-1)).toBe(`Inject{Text="a\\"b\\nFake 1\\\\",${MODEL}} 1`);
  });
});

const FILE = `
dimensions:
  - &name "ModelName"
  - &level "Level"
ts_metrics:
  counter:
    - {name: Requests2XX, unit: Answers, dimensions: [*level, Hostname]}
    - {name: ts_inference_requests_total, unit: Count, dimensions: [model_name, model_version, hostname]}
  gauge:
    - {name: CPUUtilization, unit: Percent, dimensions: [*level, Hostname]}
  histogram:
    - {name: QueueTime, unit: ms, dimensions: [*level, Hostname]}
model_metrics:
  counter:
    - {name: Listed, unit: things, dimensions: [Animal, *level]}
    - {name: Never, unit: Count, dimensions: [*name]}
  gauge:
    - {name: HandlerTime, unit: ms, dimensions: [*name, *level]}
  histogram:
    - {name: Latency, unit: ms, dimensions: [*name, *level]}
`;

describe('with a metrics file', () => {
  test('what it lists is shown with its units and dimensions, and nothing else', async () => {
    const path = join(folder, 'metrics.yaml');
    await writeFile(path, FILE);
    await serve({ metrics_config: path });
    await ask('listed');
    expect(await linesOf('Listed')).toEqual([
      '# HELP Listed Torchserve prometheus counter metric with unit: things',
      '# TYPE Listed counter',
      `Listed{Animal="cat",Level="Model",${HOST}} 4`,
    ]);
    expect(await linesOf('Latency')).toContain(`Latency_count{${MODEL}} 1`);
    await linesOf('sconce_metric_reports_dropped_total', 'reason="unlisted"} 1');
    const text = await (await fetch(`${server?.metrics}/metrics`)).text();
    expect(text).toContain('# HELP Requests2XX Torchserve prometheus counter metric with unit: Answers\n');
    expect(text).toContain('# TYPE Never counter\n');
    expect(text).toContain('\nts_inference_requests_total{');
    expect(text).toContain('\nsconce_request_duration_seconds_count{');
    for (const name of ['Unlisted', 'Registered', 'Requests5XX', 'ts_queue_latency_microseconds', 'PredictionTime']) {
      expect(text).not.toContain(name);
    }
    expect(text).toContain('# TYPE QueueTime gauge\n');
    const warnings = server?.log.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
    expect(warnings).toEqual(
      expect.arrayContaining([
        'metrics_config: ts_metrics: this release does not measure CPUUtilization',
        'metrics_config: ts_metrics: QueueTime stays a gauge with the dimensions Level, Hostname',
        expect.stringContaining('the metric "Unlisted" of a handler loses reports: it is not in model_metrics'),
      ]),
    );
  });

  test('model_metrics_auto_detect=true adds what it does not list', async () => {
    const path = join(folder, 'metrics.yaml');
    await writeFile(path, FILE);
    await serve({ metrics_config: path, model_metrics_auto_detect: true });
    await ask('listed');
    expect((await linesOf('Unlisted')).at(-1)).toBe(`Unlisted{${MODEL}} 1`);
    expect((await linesOf('PredictionTime')).length).toBe(3);
  });

  test('one that cannot be used refuses the start', async () => {
    const path = join(folder, 'absent.yaml');
    const { exitCode, stderr } = await runServe([`metrics_config=${path}`]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`metrics_config=${path}: there is no such file`);
  });
});

describe('as lines of the log', () => {
  const linesBy = (logger: string) =>
    (server?.log ?? []).filter((line) => line['logger'] === logger).map(({ msg }) => String(msg));

  test('metrics_mode=log writes every value in TorchServe`s form, and /metrics has them all the same', async () => {
    const { waitForLog } = await serve({ metrics_mode: 'log' });
    await ask('each');
    await waitForLog(
      ({ msg }) => msg?.startsWith('Registered.Megabytes:9.0|#Kind:weights,Level:Model|#hostname:') ?? false,
    );
    const host = hostname();
    expect(linesBy('MODEL_METRICS')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(
          new RegExp(
            `^Took\\.Milliseconds:12\\.5\\|#ModelName:m,Level:Model\\|#hostname:${host},requestID:[\\w-]+,timestamp:\\d{10}$`,
          ),
        ),
        expect.stringMatching(/^PredictionTime\.Milliseconds:[\d.]+\|#ModelName:m,Level:Model\|#hostname:/),
      ]),
    );
    await waitForLog(({ msg }) => /^Requests2XX\.Count:1\.0\|#Level:Host\|#hostname:/.test(msg ?? ''));
    for (const start of [
      'ts_inference_requests_total.Count:1.0|#model_name:m,model_version:1.0|#',
      'QueueTime.Milliseconds:',
      'ts_queue_latency_microseconds.Microseconds:',
      'ts_inference_latency_microseconds.Microseconds:',
    ]) {
      expect(linesBy('TS_METRICS').filter((line) => line.startsWith(start))).toHaveLength(1);
    }
    expect((await linesOf('Took')).at(-1)).toBe(`Took{${MODEL}} 12.5`);
  });

  test('metrics_mode=legacy leaves those of requests to /metrics', async () => {
    const { waitForLog } = await serve({ metrics_mode: 'legacy' });
    await ask('each');
    await waitForLog(({ msg }) => msg?.startsWith('Requests2XX.Count:1.0|') ?? false);
    expect(linesBy('TS_METRICS').filter((line) => line.startsWith('ts_'))).toEqual([]);
    expect((await linesOf('ts_inference_requests_total')).at(-1)).toMatch(/ 1$/);
  });

  test('without the setting nothing of this is written', async () => {
    await serve();
    await ask('each');
    await linesOf('Hits');
    expect((server?.log ?? []).filter((line) => 'logger' in line)).toEqual([]);
  });
});
