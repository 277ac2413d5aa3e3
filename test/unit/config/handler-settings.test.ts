// Settings of TorchServe that concern handlers and metrics, and those that something else has taken the place of.
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/config-error.ts';
import { loadConfig } from '../../../src/config/load-config.ts';
import { REPLACED_SETTINGS, replacedNotice } from '../../../src/config/replaced-settings.ts';

let cwd: string;

beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), 'sconce-handler-settings-')));
});
afterEach(() => rm(cwd, { recursive: true, force: true }));

async function load(...lines: string[]) {
  await writeFile(join(cwd, 'config.properties'), lines.join('\n'));
  return loadConfig({ flags: {}, env: {}, cwd });
}

async function refusal(...lines: string[]): Promise<string> {
  const thrown: unknown = await load(...lines).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(ConfigError);
  return String(thrown);
}

describe.each(['documented', 'torchserve'])('in the %s dialect', (dialect) => {
  it('nothing said is nothing changed, and metrics are shown', async () => {
    expect(await load(`api_dialect=${dialect}`)).toMatchObject({
      defaultServiceHandler: undefined,
      serviceEnvelope: undefined,
      limitMaxImagePixels: true,
      ipex: { isEnabled: false, isEnabledOnGpu: false },
      firstWorkerId: 9000,
      enableMetricsApi: true,
      metrics: { mode: 'prometheus', listed: undefined, isAutoDetecting: true },
    });
  });
});

describe('blacklist_env_vars', () => {
  it('hides variables whose whole name fits, in their letter case', async () => {
    const { isHiddenFromWorkers } = await load('blacklist_env_vars=AWS_.*|TOKEN');
    const names = ['AWS_KEY', 'TOKEN', 'MY_AWS_KEY', 'TOKENS', 'token', ''];
    expect(names.filter(isHiddenFromWorkers)).toEqual(['AWS_KEY', 'TOKEN']);
  });

  it('hides nothing when it is not set', async () => {
    expect((await load('')).isHiddenFromWorkers('ANYTHING')).toBe(false);
  });

  it('is matched in linear time', async () => {
    const { isHiddenFromWorkers } = await load('blacklist_env_vars=(A+)+B');
    const beganAt = performance.now();
    expect(isHiddenFromWorkers('A'.repeat(50_000))).toBe(false);
    expect(performance.now() - beganAt).toBeLessThan(2_000);
  });
});

describe('metrics', () => {
  const FILE = 'ts_metrics: {}\nmodel_metrics: {gauge: [{name: A, unit: ms}]}';

  it('that are not listed do not count where there is a list, unless that is asked for', async () => {
    await writeFile(join(cwd, 'metrics.yaml'), FILE);
    const listed = { server: [], model: [{ name: 'A', unit: 'ms', kind: 'gauge', dimensions: [] }] };
    expect((await load('metrics_config=metrics.yaml')).metrics).toMatchObject({ listed, isAutoDetecting: false });
    const detecting = await load('metrics_config=metrics.yaml', 'model_metrics_auto_detect=true');
    expect(detecting.metrics).toMatchObject({ listed, isAutoDetecting: true });
    expect((await load('model_metrics_auto_detect=false')).metrics.isAutoDetecting).toBe(false);
  });

  it('without a listener may have the address of another one', async () => {
    const addresses = ['inference_address=http://127.0.0.1:7001', 'metrics_address=http://127.0.0.1:7001'];
    expect(await refusal(...addresses)).toContain('the metrics have a listener of their own');
    expect((await load(...addresses, 'enable_metrics_api=false')).enableMetricsApi).toBe(false);
  });
});

describe('a value that cannot be used', () => {
  it.each([
    ['service_envelope=xml', 'expected body or json or kserve'],
    ['metrics_mode=statsd', 'expected prometheus or log or legacy'],
    ['debug=true', 'the server always starts its workers itself'],
    ['limit_max_image_pixels=maybe', 'expected true or false'],
    ['blacklist_env_vars=(', 'the expression ( cannot be used'],
    ['blacklist_env_vars=[a-z&&[^b]]', 'an intersection of two, is not supported'],
    ['metrics_config=absent.yaml', 'there is no such file'],
  ])('refuses the start: %s', async (line, problem) => {
    expect(await refusal(line)).toContain(`config.properties: ${line}: `);
    expect(await refusal(line)).toContain(problem);
  });
});

describe('settings that something else has taken the place of', () => {
  it('are told in one line, grouped by what that is', async () => {
    const { notices } = await load(
      'netty_client_threads=4',
      'vmargs=-Xmx1g',
      'io_ratio=70',
      'ts_open_inference_protocol=false',
    );
    expect(notices).toEqual([
      'settings that have no effect here: netty_client_threads, io_ratio (threads and buffers are those of Node.js and need no tuning); ' +
        'vmargs (there is no Java); ts_open_inference_protocol (the paths below /v2 are always there)',
    ]);
  });

  it('are not told when their value changes nothing', () => {
    const harmless = Object.entries(REPLACED_SETTINGS).map(([key, { defaultText }]) => ({
      key,
      value: defaultText.toUpperCase(),
    }));
    expect(replacedNotice(harmless)).toBeUndefined();
    expect(replacedNotice([{ key: 'constructor', value: 'x' }])).toBeUndefined();
  });
});
