import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/config-error.ts';
import { type ConfigFlags, loadConfig } from '../../../src/config/load-config.ts';
import type { ServerConfig } from '../../../src/config/server-config.ts';

let cwd: string;

beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), 'sconce-config-')));
});

afterEach(async () => {
  await rm(cwd, { recursive: true, force: true });
});

interface Start {
  readonly file?: string | Buffer;
  readonly flags?: ConfigFlags;
  readonly env?: Record<string, string>;
  readonly command?: 'sconce' | 'torchserve';
}

async function load({ file, flags = {}, env = {}, command = 'sconce' }: Start): Promise<ServerConfig> {
  if (file !== undefined) await writeFile(join(cwd, 'config.properties'), file);
  return loadConfig({ flags, env, cwd, command });
}

async function refusal(start: Start): Promise<string> {
  const error: unknown = await load(start).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return error instanceof ConfigError ? error.message : '';
}

describe('a start without settings', () => {
  it('keeps no more than an eighth of the memory for the bodies of requests', async () => {
    const { maxBufferedBytes } = await load({});
    expect(maxBufferedBytes).toBeGreaterThan(0);
    expect(maxBufferedBytes).toBeLessThanOrEqual(totalmem() / 8);
    expect((await load({ file: 'max_buffered_size=1000\n' })).maxBufferedBytes).toBe(1000);
  });

  it('has the defaults of the documented dialect, on loopback', async () => {
    expect(await load({})).toMatchObject({
      configFile: undefined,
      dialect: { name: 'documented' },
      inferenceAddress: { scheme: 'http', host: '127.0.0.1', port: 8080 },
      managementAddress: { scheme: 'http', host: '127.0.0.1', port: 8081 },
      metricsAddress: { scheme: 'http', host: '127.0.0.1', port: 8082 },
      modelStore: undefined,
      loadModels: [],
      models: new Map(),
      defaultWorkersPerModel: 0,
      jobQueueSize: 100,
      defaultResponseTimeoutSec: 120,
      defaultStartupTimeoutSec: 120,
      unregisterModelTimeoutSec: 120,
      maxRequestBytes: 104_857_600,
      maxResponseBytes: 104_857_600,
      decodeInputRequest: true,
      python: 'python3',
      numberOfGpu: undefined,
      enableModelApi: true,
      insecure: false,
      notices: [],
    });
  });

  it('has the defaults of the torchserve dialect when that is asked for', async () => {
    expect(await load({ flags: { apiDialect: 'torchserve' } })).toMatchObject({
      dialect: { name: 'torchserve' },
      maxRequestBytes: 6_553_500,
      maxResponseBytes: 6_553_500,
      enableModelApi: false,
    });
  });
});

describe('the file', () => {
  it('is config.properties in the working folder', async () => {
    const config = await load({ file: 'job_queue_size=7\napi_dialect=TorchServe\nnumber_of_gpu=2\n' });
    expect(config).toMatchObject({ jobQueueSize: 7, numberOfGpu: 2, enableModelApi: false });
    expect(config.configFile).toBe(join(cwd, 'config.properties'));
    expect(config.origins.get('job_queue_size')).toBe('file');
    expect(config.origins.get('default_response_timeout')).toBe('default');
  });

  it('is the one that --ts-config names, instead', async () => {
    await writeFile(join(cwd, 'other.properties'), 'job_queue_size=8');
    const config = await load({ file: 'job_queue_size=7', flags: { tsConfig: 'other.properties' } });
    expect(config).toMatchObject({ jobQueueSize: 8, configFile: join(cwd, 'other.properties') });
  });

  it('is the one that TS_CONFIG_FILE names, before all others', async () => {
    await writeFile(join(cwd, 'env.properties'), 'job_queue_size=9');
    const env = { TS_CONFIG_FILE: join(cwd, 'env.properties') };
    expect((await load({ file: '', flags: { tsConfig: 'missing' }, env })).jobQueueSize).toBe(9);
  });

  it('must exist when somebody named it', async () => {
    expect(await refusal({ flags: { tsConfig: 'gone.properties' } })).toMatch(
      /^--ts-config gone\.properties: there is no such file/,
    );
    expect(await refusal({ env: { TS_CONFIG_FILE: 'gone.properties' } })).toMatch(
      /^TS_CONFIG_FILE gone\.properties: there is no such/,
    );
  });

  it('must be readable', async () => {
    await mkdir(join(cwd, 'config.properties'));
    expect(await refusal({})).toBe(
      'config.properties: the file cannot be read (EISDIR); correct the path or its permissions',
    );
  });

  it('takes $$NAME$$ from the environment, whatever the key', async () => {
    await mkdir(join(cwd, 'models'));
    const config = await load({ file: 'model_store=$$BASE$$/models', env: { BASE: cwd } });
    expect(config.modelStore).toBe(join(cwd, 'models'));
    expect(await refusal({ file: 'keystore_pass=$$SECRET$$' })).toContain(
      'keystore_pass: the environment variable SECRET is not set',
    );
  });

  it('names its folders from the working folder, wherever it lies itself', async () => {
    for (const folder of ['store', 'etc', 'etc/store']) await mkdir(join(cwd, folder));
    await writeFile(join(cwd, 'etc', 'my.properties'), 'model_store=store');
    expect((await load({ flags: { tsConfig: 'etc/my.properties' } })).modelStore).toBe(join(cwd, 'store'));
  });

  it('puts the cache where caches of the user are, unless it is told where', async () => {
    const cacheDirOf = async (start: Start) => (await load(start)).cacheDir;
    expect(await cacheDirOf({ env: { XDG_CACHE_HOME: '/caches', HOME: '/home/me' } })).toBe('/caches/sconce');
    expect(await cacheDirOf({ env: { XDG_CACHE_HOME: 'relative', HOME: '/home/me' } })).toBe('/home/me/.cache/sconce');
    expect(await cacheDirOf({ env: { HOME: '/home/me' } })).toBe('/home/me/.cache/sconce');
    expect(await cacheDirOf({ file: 'cache_dir=mine\n', env: { XDG_CACHE_HOME: '/caches' } })).toBe(join(cwd, 'mine'));
    expect((await load({ file: 'cache_size=0\n' })).cacheBytes).toBe(0);
  });

  it('may come from Windows, in ISO-8859-1, with continued lines and escapes', async () => {
    await mkdir(join(cwd, 'modèles'));
    const text =
      'model_store=mod\u00e8les\r\nload_models=a.mar, \\\r\n    \\u0062.mar,\\\r\n\tc.mar\r\njob_queue_size : 7 \r\n';
    const config = await load({ file: Buffer.from(text, 'latin1') });
    expect(config).toMatchObject({
      modelStore: join(cwd, 'modèles'),
      loadModels: [{ url: 'a.mar' }, { url: 'b.mar' }, { url: 'c.mar' }],
      jobQueueSize: 7,
    });
  });

  it('tells what it says to no effect', async () => {
    const { notices } = await load({ file: 'job_queue_sise=3\nmine=1\nkeystore=a.p12\nvmargs=-Xmx1g\n__proto__=1' });
    expect(notices).toEqual([
      'config.properties: "job_queue_sise" is not a known setting and is ignored; did you mean "job_queue_size"?',
      'config.properties: "mine" is not a known setting and is ignored',
      'config.properties: "__proto__" is not a known setting and is ignored',
      'config.properties: "keystore" is known, but not yet applied by this release',
      'settings that have no effect here: vmargs (there is no Java)',
    ]);
  });

  it('passes on what the models setting says to no effect', async () => {
    const { notices } = await load({ file: 'models={"noop": {"1.0": {"bachSize": 2}}}' });
    expect(notices).toEqual(['models: noop 1.0: "bachSize" is unknown and has no effect; did you mean "batchSize"?']);
  });
});

describe('the stronger word', () => {
  it('is the flag, over the file', async () => {
    await mkdir(join(cwd, 'store'));
    const config = await load({
      file: 'model_store=/nowhere\nload_models=all\npython=/usr/bin/python\napi_dialect=torchserve',
      flags: { modelStore: 'store', models: ['a.mar', 'b=c.mar'], python: 'python3.12', apiDialect: 'documented' },
    });
    expect(config).toMatchObject({
      modelStore: join(cwd, 'store'),
      loadModels: [{ url: 'a.mar' }, { name: 'b', url: 'c.mar' }],
      python: 'python3.12',
      dialect: { name: 'documented' },
    });
    expect(config.origins.get('model_store')).toBe('flag');
    expect(config.origins.get('load_models')).toBe('flag');
  });

  it('is the environment, over both, when the file lets it', async () => {
    await mkdir(join(cwd, 'store'));
    const config = await load({
      file: 'enable_envvars_config=true\njob_queue_size=7',
      flags: { modelStore: '/nowhere' },
      env: { TS_JOB_QUEUE_SIZE: '9', TS_MODEL_STORE: 'store', TS_KEYSTORE: 'a.p12', TS_LOAD_MODELS: '' },
    });
    expect(config).toMatchObject({ jobQueueSize: 9, modelStore: join(cwd, 'store'), loadModels: [] });
    expect(config.origins.get('job_queue_size')).toBe('environment');
    expect(config.notices).toEqual(['TS_KEYSTORE: "keystore" is known, but not yet applied by this release']);
  });

  it('is not the environment otherwise, and that is told', async () => {
    const config = await load({ file: 'job_queue_size=7', env: { TS_JOB_QUEUE_SIZE: '9' } });
    expect(config.jobQueueSize).toBe(7);
    expect(config.notices).toEqual([
      'environment: TS_JOB_QUEUE_SIZE ignored; TS_ variables count only with enable_envvars_config=true in the file',
    ]);
  });
});

describe('a value that cannot be used', () => {
  it.each([
    ['job_queue_size=many', 'config.properties: job_queue_size=many: expected a whole number of at least 1'],
    ['job_queue_size=0', 'config.properties: job_queue_size=0: expected a whole number of at least 1'],
    ['default_response_timeout=', 'default_response_timeout=: expected a whole number from 1 to 2147483'],
    ['decode_input_request=yes', 'decode_input_request=yes: expected true or false'],
    ['enable_envvars_config=1', 'enable_envvars_config=1: expected true or false'],
    ['api_dialect=french', 'api_dialect=french: expected documented or torchserve'],
    ['python=', 'python=: expected a value; leave the setting out for its default'],
    ['inference_address=127.0.0.1:8080', 'inference_address=127.0.0.1:8080: expected http://host:port'],
    ['models={}{', 'models={}{: expected a JSON object'],
    ['model_store=gone', 'model_store=gone: there is no such folder; create it'],
    ['model_store=config.properties', 'model_store=config.properties: this is not a folder'],
    ['load_models=all', 'load_models=all: there is no model store to load from'],
    ['load_models=a.mar', 'load_models=a.mar: there is no model store to load from'],
    ['metrics_address=http://127.0.0.1:8081', 'management_address is the same address; choose another port'],
  ])('refuses the start: %s', async (file, message) => {
    expect(await refusal({ file })).toContain(message);
  });

  it('is quoted as its author wrote it', async () => {
    expect(await refusal({ flags: { modelStore: 'gone' } })).toMatch(/^--model-store gone: there is no such folder/);
    const env = { TS_JOB_QUEUE_SIZE: 'x\ny' };
    expect(await refusal({ file: 'enable_envvars_config=true', env })).toMatch(/^TS_JOB_QUEUE_SIZE=x y: expected/);
  });

  it('does not count where a stronger word replaces it', async () => {
    expect((await load({ file: 'python=\n', flags: { python: 'python3' } })).python).toBe('python3');
  });
});

describe('a start that would be open', () => {
  it('is refused when tokens are asked for by hand', async () => {
    const message = 'this release has no tokens yet and would leave the API open';
    expect(await refusal({ file: 'disable_token_authorization=false' })).toContain(message);
    expect(await refusal({ file: 'disable_token_authorization=FALSE', flags: { insecure: true } })).toContain(message);
    const env = { TS_DISABLE_TOKEN_AUTHORIZATION: 'false' };
    expect(await refusal({ file: 'enable_envvars_config=true\ndisable_token_authorization=true', env })).toContain(
      'TS_DISABLE_TOKEN_AUTHORIZATION=false: this release has no tokens yet',
    );
  });

  it('is allowed when tokens are switched off', async () => {
    expect((await load({ file: 'disable_token_authorization=true' })).notices).toEqual([]);
  });

  it.each(['inference_address', 'management_address', 'metrics_address'])('is refused for TLS on %s', async (key) => {
    const file = `${key}=https://127.0.0.1:8443`;
    expect(await refusal({ file, flags: { insecure: true } })).toContain(
      `${file}: this release does not serve TLS yet`,
    );
  });

  it.each(['http://0.0.0.0:8081', 'http://[::]:8081', 'http://my-host:8081'])(
    'is refused for management on %s without --insecure',
    async (address) => {
      const file = `management_address=${address}`;
      const message = await refusal({ file });
      expect(message).toContain(`config.properties: ${file}: whoever reaches the management API`);
      expect(message).toContain('--insecure');
      expect(message).not.toContain('\n');
      const config = await load({ file, flags: { insecure: true } });
      expect(config.insecure).toBe(true);
      expect(config.notices).toEqual([expect.stringContaining('management_address is open to the network')]);
    },
  );

  it('is refused for one open address of both APIs', async () => {
    const file = 'inference_address=http://0.0.0.0:8080\nmanagement_address=http://0.0.0.0:8080';
    expect(await refusal({ file })).toContain('management_address=http://0.0.0.0:8080');
  });

  it('is not seen in open inference and metrics, nor in management on loopback or a socket', async () => {
    const file =
      'inference_address=http://0.0.0.0:8080\nmetrics_address=http://0.0.0.0:8082\nmanagement_address=unix:/run/sconce.sock';
    expect(await load({ file })).toMatchObject({ managementAddress: { scheme: 'unix' }, notices: [] });
    expect((await load({ file: 'management_address=http://[::1]' })).managementAddress).toEqual({
      scheme: 'http',
      host: '::1',
      port: 8081,
    });
  });
});

describe('the command torchserve', () => {
  const torchserve = (start: Omit<Start, 'command'>): Start => ({ ...start, command: 'torchserve' });

  it('has the dialect of its name, unless the file or the environment says otherwise', async () => {
    expect(await load(torchserve({}))).toMatchObject({ dialect: { name: 'torchserve' }, enableModelApi: false });
    expect(await load(torchserve({ file: 'api_dialect=documented' }))).toMatchObject({
      dialect: { name: 'documented' },
      enableModelApi: true,
    });
    const env = { TS_API_DIALECT: 'documented' };
    expect((await load(torchserve({ file: 'enable_envvars_config=true', env }))).dialect.name).toBe('documented');
  });

  it('has switches that can be thrown by a flag, and thrown back by the environment only', async () => {
    const flags = { enableModelApi: true, disableTokenAuth: true };
    const file = 'enable_model_api=false\ndisable_token_authorization=false';
    const config = await load(torchserve({ file, flags }));
    expect(config.enableModelApi).toBe(true);
    expect(config.origins.get('disable_token_authorization')).toBe('flag');
    expect(
      (await load(torchserve({ file: 'enable_model_api=true', flags: { enableModelApi: false } }))).enableModelApi,
    ).toBe(true);
    const env = { TS_ENABLE_MODEL_API: 'false', TS_DISABLE_TOKEN_AUTHORIZATION: 'false' };
    expect(await refusal(torchserve({ file: 'enable_envvars_config=true', flags, env }))).toContain(
      'TS_DISABLE_TOKEN_AUTHORIZATION=false: this release has no tokens yet',
    );
  });

  it('opens management to the network for those who switch tokens off by hand, and says so', async () => {
    const file = 'management_address=http://0.0.0.0:8081\n';
    expect(await refusal(torchserve({ file }))).toContain('or pass --disable-token-auth to open it all the same');
    const opened = await load(torchserve({ file, flags: { disableTokenAuth: true } }));
    expect(opened.notices).toContainEqual(expect.stringContaining('management_address is open to the network'));
    expect((await load(torchserve({ file: `${file}disable_token_authorization=true` }))).insecure).toBe(true);
  });

  it('is alone in that: sconce wants --insecure', async () => {
    const file = 'management_address=http://0.0.0.0:8081\ndisable_token_authorization=true';
    expect(await refusal({ file })).toContain('or pass --insecure to open it all the same');
  });
});
