// What `torchserve` is told by flags, variables and the properties file, as old scripts tell it: each through the real command.
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeMar } from '../support/archive-forge.ts';
import { ask } from '../support/serving-client.ts';
import { answeringHandler, FREE_PORTS, TorchserveHome } from '../support/torchserve-home.ts';

let home: TorchserveHome;

beforeEach(async () => {
  home = await TorchserveHome.create();
});

afterEach(async () => {
  await home?.close();
});

/** The names of the models that a server has. */
async function modelsOf({ management }: { readonly management: string }): Promise<string[]> {
  const { models } = JSON.parse((await ask(`${management}/models`)).text) as { models: { modelName: string }[] };
  return models.map(({ modelName }) => modelName);
}

describe('--models', () => {
  test('names archives, alone and with names of their own, and what has no name gets TorchServe’s', async () => {
    await home.archive('one', answeringHandler('1'));
    await home.archive('two', answeringHandler('2'));
    await makeMar(join(home.store, 'resnet-18.mar'), { 'handler.py': answeringHandler('3') });
    const models = ['--models', 'one.mar', 'second=two.mar', 'resnet-18.mar'];
    const server = await home.start(['--model-store', 'model_store', ...models]);
    expect(await modelsOf(server)).toEqual(['one', 'resnet_18', 'second']);
    expect((await ask(`${server.inference}/predictions/second`)).text).toBe('2');
  });

  test('all means every archive and folder of the store', async () => {
    await home.archive('one', answeringHandler('1'));
    await home.archive('two', answeringHandler('2'), '2.0');
    await mkdir(join(home.store, 'unpacked'));
    await rename(join(home.folder, 'one_handler.py'), join(home.store, 'unpacked', 'one_handler.py'));
    await home.write('model_store/notes.txt', 'no model');
    const server = await home.start(['--model-store', 'model_store', '--models', 'ALL']);
    expect(await modelsOf(server)).toEqual(['one', 'two', 'unpacked']);
  });

  test('may be a list with commas and blanks in load_models, relative to the working folder wherever the file lies', async () => {
    await home.archive('one', answeringHandler('1'));
    await home.archive('two', answeringHandler('2'));
    await mkdir(join(home.folder, 'etc'));
    // As an editor on Windows leaves it.
    const lines = ['model_store=model\\u005fstore', 'load_models=one.mar, \\', '    two.mar', '# gr\u00fc\u00dfe', ''];
    await home.write('etc/ts.properties', Buffer.from(FREE_PORTS + lines.join('\r\n'), 'latin1'));
    const server = await home.start(['--ts-config', 'etc/ts.properties']);
    expect(await modelsOf(server)).toEqual(['one', 'two']);
  });

  test('may give a name to what a URL leads to', async () => {
    await home.archive('one', answeringHandler('from afar'));
    const bytes = await readFile(join(home.store, 'one.mar'));
    const host = createServer((_, response) => response.end(bytes)).listen(0, '127.0.0.1');
    await once(host, 'listening');
    const { port } = host.address() as AddressInfo;
    await mkdir(join(home.folder, 'empty'));
    const models = ['--models', `remote=http://127.0.0.1:${port}/far.mar?key=1`];
    const server = await home.start(['--model-store', 'empty', ...models]);
    host.close();
    expect((await ask(`${server.inference}/predictions/remote`)).text).toBe('from afar');
  });

  test('with one version twice ends the start, and says which', async () => {
    await home.archive('one', answeringHandler('1'));
    await home.archive('one', answeringHandler('again'), '1.0', 'copy');
    const result = await home.run(['--start', '--model-store', 'model_store', '--models', 'one.mar', 'copy.mar']);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain(
      '  torchserve: load_models: copy.mar: Model version 1.0 is already registered for model one; name each version of a model once\n',
    );
    expect(await readdir(home.tmp)).toEqual([]);
  });
});

describe('the dialect', () => {
  test('is TorchServe’s: models are registered at run time only with --enable-model-api', async () => {
    await home.archive('one', answeringHandler('1'));
    const server = await home.start(['--model-store', 'model_store']);
    const refused = await ask(`${server.management}/models?url=one.mar`, { method: 'POST' });
    expect(refused.status).toBe(405);
    await home.run(['--stop', '--foreground']);
    const open = await home.start(['--model-store', 'model_store', '--enable-model-api']);
    const registered = await ask(`${open.management}/models?url=one.mar`, { method: 'POST' });
    expect(JSON.parse(registered.text)).toEqual({
      status: 'Model "one" Version: 1.0 registered with 1 initial workers',
    });
  });

  test('is the documented one when the file says so', async () => {
    await home.archive('one', answeringHandler('1'));
    await home.write('config.properties', `${FREE_PORTS}api_dialect=documented\n`);
    const server = await home.start(['--model-store', 'model_store']);
    const registered = await ask(`${server.management}/models?url=one.mar`, { method: 'POST' });
    expect(JSON.parse(registered.text)).toEqual({ status: 'Model "one" registered' });
  });
});

describe('the environment', () => {
  test('names the file before --ts-config does, which is not even looked at', async () => {
    await home.write('env.properties', `${FREE_PORTS}model_store=$$STORE_HOME$$/model_store\n`);
    const env = { TS_CONFIG_FILE: 'env.properties', STORE_HOME: home.folder };
    await home.start(['--ts-config', 'gone'], env);
    const log = await home.read('logs/ts_log.log');
    expect(log).toContain(`"modelStore":"${home.store}"`);
    await home.run(['--stop', '--foreground']);
    expect(await home.run(['--start'], { TS_CONFIG_FILE: 'gone' })).toMatchObject({
      exitCode: 1,
      stdout: '--ts-config file not found: gone\n',
    });
    const unset = await home.run(['--start'], { TS_CONFIG_FILE: 'env.properties' });
    expect(unset.exitCode).toBe(1);
    expect(unset.stderr).toMatch(/model_store: the environment variable STORE_HOME is not set/);
  });

  test('sets what the file lets it set, and is told where it does not count', async () => {
    await home.archive('one', answeringHandler('1'));
    const env = { TS_LOAD_MODELS: 'one.mar' };
    const deaf = await home.start(['--model-store', 'model_store'], env);
    expect(await modelsOf(deaf)).toEqual([]);
    expect(deaf.stderr).toContain('torchserve: environment: TS_LOAD_MODELS ignored; TS_ variables count only with');
    await home.run(['--stop', '--foreground']);
    await home.write('config.properties', `${FREE_PORTS}enable_envvars_config=true\n`);
    const server = await home.start(['--model-store', 'model_store', '--models', 'gone.mar'], env);
    expect(await modelsOf(server)).toEqual(['one']);
  });

  test('says where the log and the temporary files are', async () => {
    await mkdir(join(home.folder, 'temp'));
    await home.archive('one', answeringHandler('1'));
    const env = { LOG_LOCATION: 'var/log', TEMP: join(home.folder, 'temp') };
    const server = await home.start(['--model-store', 'model_store', '--models', 'one.mar'], env);
    expect((await ask(`${server.inference}/predictions/one`)).text).toBe('1');
    expect(await home.read('var/log/ts_log.log')).toMatch(/^Model server started\.$/m);
    expect(await readdir(join(home.folder, 'temp'))).toEqual([expect.stringMatching(/^sconce-/)]);
    // Python prefers TMPDIR for its own, and with it the pid file.
    expect(await readdir(home.tmp)).toEqual(['.model_server.pid']);
    await home.run(['--stop', '--foreground'], env);
    expect(await readdir(join(home.folder, 'temp'))).toEqual([]);
    const refused = await home.run(['--start', '--model-store', 'model_store'], { TEMP: '/no/such/folder' });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toBe('torchserve: TEMP=/no/such/folder: there is no such folder; create it\n');
  });

  test('has nothing of the launcher’s in the workers', async () => {
    const handler = 'import os\n\ndef handle(data, context):\n    return data and [sorted(os.environ)] * len(data)\n';
    await home.archive('one', handler);
    const server = await home.start(['--model-store', 'model_store', '--models', 'one.mar'], { OF_MINE: '1' });
    const names = JSON.parse((await ask(`${server.inference}/predictions/one`)).text) as string[];
    expect(names).toContain('OF_MINE');
    expect(names.filter((name) => /SCONCE_TORCHSERVE|NODE_CHANNEL/.test(name))).toEqual([]);
  });
});

describe('what has no effect', () => {
  test('is accepted, and told with what there is instead', async () => {
    await home.write('log4j2.xml', '');
    const server = await home.start(
      ['--model-store', 'model_store', '--workflow-store', 'model_store', '--log-config', 'log4j2.xml'].concat([
        '--cpp-log-config',
        'log4j2.xml',
        '--plugins-path',
        '/plugins',
        '--no-config-snapshots',
      ]),
      { METRICS_LOCATION: '/metrics' },
    );
    for (const name of [
      '--workflow-store has no effect: workflows',
      '--log-config: log4j2 files have no effect; the log is one JSON object a line',
      '--cpp-log-config has no effect',
      '--plugins-path has no effect',
      'METRICS_LOCATION has no effect',
      'tokens: this release has none',
    ]) {
      expect(server.stderr).toContain(`torchserve: ${name}`);
      expect(await home.read('logs/ts_log.log')).toContain(name);
    }
  });

  test('is a snapshot that TorchServe would restore, unless snapshots are not wanted', async () => {
    await mkdir(join(home.folder, 'logs', 'config'), { recursive: true });
    for (const name of ['20240101000000000-startup.cfg', '20240102000000000-shutdown.cfg', 'other.cfg']) {
      await home.write(`logs/config/${name}`, '');
    }
    const server = await home.start(['--model-store', 'model_store']);
    expect(server.stderr).toMatch(
      /torchserve: \S+\/20240102000000000-shutdown\.cfg: TorchServe would restore this snapshot/,
    );
    await home.run(['--stop', '--foreground']);
    const without = await home.start(['--model-store', 'model_store', '--ncs']);
    expect(without.stderr).not.toContain('snapshot');
  });
});

describe('management that is open to the network', () => {
  test('is refused without a word about tokens, and opened by --disable-token-auth with a warning', async () => {
    const file = await readFile(join(home.folder, 'config.properties'), 'utf8');
    await home.write('config.properties', `${file}management_address=http://0.0.0.0:0\n`);
    const refused = await home.run(['--start', '--model-store', 'model_store']);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/^torchserve: config\.properties: management_address=.*--disable-token-auth/);
    // Nothing was started for it.
    await expect(readdir(join(home.folder, 'logs'))).rejects.toThrow('ENOENT');
    const open = await home.start(['--model-store', 'model_store', '--disable-token-auth']);
    expect(open.stderr).toContain('management_address is open to the network');
    const { port } = new URL(open.management);
    expect((await ask(`http://127.0.0.1:${port}/models`)).status).toBe(200);
  });
});
