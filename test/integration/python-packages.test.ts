// Models that bring their own Python packages: installed before their workers start, seen while that lasts, and never in another model's way.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeFolder, makeMar, manifestFile } from '../support/archive-forge.ts';
import { until } from '../support/fault-model.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { runServe } from '../support/server-command.ts';
import { ask, describeModel, register } from '../support/serving-client.ts';
import { type SilentIndex, silentIndex } from '../support/silent-index.ts';
import { makeWheel } from '../support/wheels.ts';

// pip alone takes seconds on a machine that has much to do.
vi.setConfig({ testTimeout: 120_000 });

const HANDLER = `
import sys
import toolbox

def handle(data, context):
    return data and ["%s %s" % (toolbox.VERSION, sys.prefix != sys.base_prefix)] * len(data)
`;

let folder: string;
let store: string;
let wheels: string;
let server: TestServer | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-packages-'));
  store = join(folder, 'store');
  wheels = join(folder, 'wheels');
  await makeWheel(wheels, 'toolbox', '1.0');
  await makeWheel(wheels, 'toolbox', '2.0');
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

const files = (name: string, requirements: string, config?: string) => ({
  ...manifestFile({
    modelName: name,
    modelVersion: '1.0',
    handler: 'handler.py',
    requirementsFile: 'requirements.txt',
    ...(config === undefined ? {} : { configFile: 'model-config.yaml' }),
  }),
  'handler.py': HANDLER,
  'requirements.txt': requirements,
  ...(config === undefined ? {} : { 'model-config.yaml': config }),
});

const INSTALLING = () => ({ install_py_dep_per_model: true, python_wheels: wheels });
const predict = async (model: string) =>
  (await ask(`${server?.inference}/predictions/${model}`, { method: 'POST', body: 'x' })).text;

async function start(options: Parameters<typeof startServer>[0] = {}): Promise<TestServer> {
  await makeFolder(store, {});
  server = await startServer({ modelStore: store, ...options });
  return server;
}

test('two models have different versions of one package at the same time, in a folder and in a virtual environment', async () => {
  const running = await start({ settings: INSTALLING() });
  await makeFolder(join(store, 'one'), files('one', 'toolbox==1.0\n'));
  await makeMar(join(store, 'two.mar'), files('two', 'toolbox==2.0\n', 'useVenv: true\n'));
  const answers = await Promise.all([register(running, 'one'), register(running, 'two.mar')]);
  expect(answers.map(({ status, text }) => (status === 200 ? 200 : text))).toEqual([200, 200]);
  expect(await predict('one')).toBe('1.0 False');
  expect(await predict('two')).toBe('2.0 True');

  const [one, two] = [await describeModel(running, 'one'), await describeModel(running, 'two')];
  expect(one.loading?.map(({ phase, state }) => `${phase} ${state}`)).toEqual([
    'environment done',
    'spawn done',
    'load done',
  ]);
  expect(two.loading?.map(({ phase }) => phase)).toEqual(['unpack', 'environment', 'spawn', 'load']);
  for (const { seconds } of two.loading ?? []) expect(seconds).toBeGreaterThanOrEqual(0);
  expect([one, two].map((view) => (view as unknown as { useVenv: boolean }).useVenv)).toEqual([false, true]);
  await running.waitForLog(
    ({ model, msg }) => model === 'one' && msg?.startsWith('Successfully installed toolbox-1.0') === true,
  );
  await running.waitForLog(
    ({ model, msg, seconds }) => model === 'two' && msg === 'environment done' && Number(seconds) > 0,
  );
});

test('the packages of a model are there after a restart, without pip', async () => {
  const settings = { ...INSTALLING(), cache_dir: join(folder, 'cache') };
  await makeFolder(join(store, 'one'), files('one', 'toolbox==1.0\n'));
  const first = await start({ settings });
  expect((await register(first, 'one')).status).toBe(200);
  expect(await first.stop()).toBe(0);
  await rm(wheels, { recursive: true });
  await makeWheel(wheels, 'other', '1.0');
  const second = await start({ settings });
  expect((await register(second, 'one')).status).toBe(200);
  expect(await predict('one')).toBe('1.0 False');
  // The first has ended, and its word that it is there has gone with the next one that builds.
  expect(await readdir(join(folder, 'cache', 'environments', 'builders'))).toHaveLength(1);
});

test('packages are not installed unless the server is told to, and the log says which setting does', async () => {
  await makeFolder(join(store, 'one'), files('one', 'toolbox==1.0\n'));
  const running = await start();
  const answer = await register(running, 'one');
  expect(answer.status).toBe(500);
  expect(JSON.parse(answer.text).message).toContain('install_py_dep_per_model=true');
  await running.waitForLog(({ msg }) => msg?.includes('the packages of requirements.txt are not installed') === true);
});

describe('while packages are being installed', () => {
  let index: SilentIndex;
  beforeEach(async () => {
    index = await silentIndex();
    await makeFolder(join(store, 'slow'), files('slow', 'toolbox==1.0\n'));
  });
  afterEach(() => index.close());

  test('describe shows the phase, other models come and go, and stopping the server ends it and leaves nothing', async () => {
    const running = await start({ settings: { install_py_dep_per_model: true }, env: index.env });
    const registered = register(running, 'slow').catch(() => undefined);
    await index.asked;
    const described = await ask(`${running.management}/models/slow`);
    expect(JSON.parse(described.text)).toEqual([
      {
        modelName: 'slow',
        modelUrl: 'slow',
        loading: [{ phase: 'environment', state: 'running', seconds: expect.any(Number) }],
      },
    ]);
    expect((await ask(`${running.management}/models/slow/1.0`)).status).toBe(404);
    expect((await ask(`${running.inference}/predictions/slow`, { method: 'POST', body: 'x' })).status).toBe(404);
    // What is served is not less for a registration that is under way.
    expect((await ask(`${running.management}/readyz`)).status).toBe(200);
    await makeFolder(join(store, 'plain'), {
      ...files('plain', ''),
      'handler.py': 'def handle(data, context): return data',
    });
    expect((await register(running, 'plain', { initial_workers: 0 })).status).toBe(200);

    expect(await running.stop()).toBe(0);
    await Promise.all([registered, index.hungUp]);
    server = undefined;
  });

  test('a signal ends a start that installs packages, and nothing is left', async () => {
    const cache = join(folder, 'cache');
    await makeFolder(join(store, 'slow'), files('slow', `--index-url ${index.url}\ntoolbox==1.0\n`));
    const settings = [
      ...['inference', 'management', 'metrics'].map((one) => `${one}_address=http://127.0.0.1:0`),
      `model_store=${store}`,
      `cache_dir=${cache}`,
      'load_models=slow',
      'install_py_dep_per_model=true',
    ];
    const { exitCode, leftFiles } = await runServe(settings, [], async (child) => {
      await index.asked;
      child.kill('SIGTERM');
    });
    expect(exitCode).toBe(0);
    await index.hungUp;
    expect(leftFiles.filter((name) => name.startsWith('sconce-'))).toEqual([]);
    expect(await readdir(join(cache, 'environments'))).toEqual(['builders']);
  });

  test('environment_timeout ends it, the registration fails with 400, and nothing of it is left', async () => {
    const settings = { install_py_dep_per_model: true, environment_timeout: 1, cache_dir: join(folder, 'cache') };
    const running = await start({ settings, env: index.env });
    const answer = await register(running, 'slow');
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({ type: 'ModelException' });
    expect(JSON.parse(answer.text).message).toContain('environment_timeout');
    expect(await readdir(join(folder, 'cache', 'environments'))).toEqual(['builders']);
    expect((await ask(`${running.management}/models/slow`)).status).toBe(404);
  });

  test('in the torchserve dialect there is no such model yet', async () => {
    const settings = { install_py_dep_per_model: true, enable_model_api: true };
    const running = await start({ args: ['--api-dialect', 'torchserve'], settings, env: index.env });
    const registered = register(running, 'slow').catch(() => undefined);
    await index.asked;
    expect((await ask(`${running.management}/models/slow`)).status).toBe(404);
    await running.stop();
    await registered;
    server = undefined;
  });
});

test('in the torchserve dialect a failure has its words', async () => {
  await makeFolder(join(store, 'one'), files('one', 'ladder==1.0\n'));
  const settings = { ...INSTALLING(), enable_model_api: true };
  const running = await start({ args: ['--api-dialect', 'torchserve'], settings });
  expect(JSON.parse((await register(running, 'one')).text)).toEqual({
    code: 400,
    type: 'ModelException',
    message: 'Custom pip package installation failed for model one',
  });
});

test('a registration that has its version while another one of the name is under way is described first', async () => {
  const index = await silentIndex();
  const running = await start({ settings: { install_py_dep_per_model: true }, env: index.env });
  await makeFolder(join(store, 'plain'), { ...files('m', ''), 'handler.py': 'def handle(data, context): return data' });
  await makeFolder(join(store, 'slow'), files('m', 'toolbox==1.0\n'));
  const asked = { slow: register(running, 'slow').catch(() => undefined) };
  await index.asked;
  expect((await register(running, 'plain', { initial_workers: 0 })).status).toBe(200);
  const names = async (path: string) =>
    (JSON.parse((await ask(`${running.management}/models/${path}`)).text) as { modelUrl: string }[]).map(
      (one) => one.modelUrl,
    );
  expect(await names('m')).toEqual(['plain']);
  expect(await names('m/all')).toEqual(['plain', 'slow']);
  await running.stop();
  await asked.slow;
  server = undefined;
  index.close();
});

test('two servers that share a cache build an environment once', async () => {
  const settings = { ...INSTALLING(), cache_dir: join(folder, 'cache') };
  await makeFolder(join(store, 'one'), files('one', 'toolbox==1.0\n'));
  const first = await start({ settings });
  const second = await startServer({ modelStore: store, settings });
  try {
    const answers = await Promise.all([first, second].map((each) => register(each, 'one')));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const built = await until(() => {
      const lines = [...first.log, ...second.log].filter(
        ({ msg }) => msg?.startsWith('Successfully installed') === true,
      );
      return lines.length > 0 && lines;
    });
    expect(built).toHaveLength(1);
  } finally {
    await second.stop();
  }
});
