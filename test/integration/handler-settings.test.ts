// Settings of config.properties that reach handlers: each seen from inside a handler, or from outside as what it changes.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeMar, manifestFile } from '../support/archive-forge.ts';
import { type ServerOptions, startServer, type TestServer } from '../support/sconce-server.ts';
import { runServe } from '../support/server-command.ts';

/** Tells what it was given. */
const TELLER = `
import os

def handle(data, context):
    if data is None:
        return
    env = {name: value for name, value in os.environ.items() if name.startswith(("SECRET", "TS_IPEX", "PUBLIC"))}
    properties = {name: str(value) for name, value in context.system_properties.items()}
    return [{"env": env, "properties": properties, "row": repr(row)} for row in data]
`;

interface Told {
  readonly env: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, string>>;
  readonly row: string;
}

let store: string;
let server: TestServer | undefined;

beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), 'sconce-settings-'));
  const manifest = (name: string, handler?: string) => manifestFile({ modelName: name, handler });
  await makeMar(join(store, 'teller.mar'), { ...manifest('teller', 'teller.py'), 'teller.py': TELLER });
  // Its archive names no handler, although there is one.
  await makeMar(join(store, 'nameless.mar'), { ...manifest('nameless'), 'teller.py': TELLER });
  await makeMar(join(store, 'script.mar'), {
    ...manifestFile({ modelName: 'script', handler: 'script.js' }, { runtime: 'node' }),
    'script.js': `
      import { defineHandler } from 'sconce/handler';
      export default defineHandler({ predictOne: () => ({ hidden: process.env.SECRET_KEY === undefined }) });
    `,
  });
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
});
afterAll(() => rm(store, { recursive: true, force: true }));

async function serve(settings: ServerOptions['settings'], models: string, env: ServerOptions['env'] = {}) {
  server = await startServer({
    modelStore: store,
    settings: { load_models: models, default_workers_per_model: 1, ...settings },
    env,
  });
  return server;
}

async function ask(model: string, body = '{}'): Promise<unknown> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${server?.inference}/predictions/${model}`, { method: 'POST', headers, body });
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  return JSON.parse(text);
}

test('service_envelope is wrapped around Python handlers', async () => {
  await serve({ service_envelope: 'JSON' }, 'teller.mar');
  const { predictions } = (await ask('teller', '{"instances": [1, "b"]}')) as { predictions: Told[] };
  expect(predictions.map(({ row }) => row)).toEqual(['1', "'b'"]);
});

test('default_service_handler is the handler of a Python archive that names none, and of no other', async () => {
  await serve({ default_service_handler: 'teller.py:handle' }, 'nameless.mar,script.mar');
  expect(await ask('nameless')).toMatchObject({ row: "{'body': {}}" });
  expect(await ask('script')).toEqual({ hidden: true });
});

test('blacklist_env_vars keeps variables whose whole name fits from every worker', async () => {
  const env = { SECRET_KEY: 'k', SECRET_KEY_ID: 'id', PUBLIC_KEY: 'p' };
  await serve(
    { blacklist_env_vars: 'SECRET_KEY|PUBLIC', disable_token_authorization: true },
    'teller.mar,script.mar',
    env,
  );
  const { env: seen } = (await ask('teller')) as Told;
  expect(seen).toMatchObject({ SECRET_KEY_ID: 'id', PUBLIC_KEY: 'p' });
  expect(seen).not.toHaveProperty('SECRET_KEY');
  expect(await ask('script')).toEqual({ hidden: true });
});

test.each([
  ['(?=SECRET).*', 'look-around'],
  ['SECRET[', 'missing'],
])('an expression that cannot be used (%s) refuses the start', async (expression, word) => {
  const result = await runServe([`blacklist_env_vars=${expression}`]);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toContain(`blacklist_env_vars=${expression}`);
  expect(result.stderr).toContain(word);
});

test('limit_max_image_pixels, ipex_enable and initial_worker_port reach the worker', async () => {
  await serve({ limit_max_image_pixels: false, ipex_enable: true, initial_worker_port: 9500 }, 'teller.mar');
  const { env, properties } = (await ask('teller')) as Told;
  expect(properties['limit_max_image_pixels']).toBe('False');
  expect(env).toMatchObject({ TS_IPEX_ENABLE: 'true', TS_IPEX_GPU_ENABLE: 'false' });
  const [version] = (await (await fetch(`${server?.management}/models/teller`)).json()) as {
    workers: { id: string }[];
  }[];
  expect(version?.workers.map(({ id }) => id)).toEqual(['9500']);
});

test('debug=true refuses the start and says what steps through a handler', async () => {
  const result = await runServe(['debug=true']);
  expect(result.exitCode).toBe(1);
  expect(result.stderr).toMatch(/debug=true: .*sconce dev MODEL --debugpy/);
});

test('enable_metrics_api=false opens no metrics listener', async () => {
  const started = await serve({ enable_metrics_api: false }, 'teller.mar');
  expect(started.metrics).toBe('undefined');
  expect(await ask('teller')).toMatchObject({ row: "{'body': {}}" });
});
