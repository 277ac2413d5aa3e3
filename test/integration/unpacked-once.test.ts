// The cache of unpacked archives between real servers: two that share it, one that is started again, one that is killed.
import { randomBytes } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ForgedZipEntry, forgeMar, makeMar, manifestFile } from '../support/archive-forge.ts';
import { send } from '../support/http-exchange.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';

const PATIENCE = { timeout: 20_000 };
const MANIFEST = manifestFile({ modelName: 'm', modelVersion: '1.0', handler: 'handler.py' });
const HANDLER = 'def handle(data, context):\n    return ["served"] * len(data or [])\n';

let folder: string;
let store: string;
let cache: string;
let archives: string;
const servers: TestServer[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-once-'));
  store = join(folder, 'store');
  cache = join(folder, 'cache');
  archives = join(cache, 'archives');
  await mkdir(store);
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop('SIGKILL')));
  await rm(folder, { recursive: true, force: true });
});

async function start(settings: Record<string, string> = {}): Promise<TestServer> {
  const server = await startServer({ modelStore: store, settings: { cache_dir: cache, ...settings } });
  servers.push(server);
  return server;
}

function stop(server: TestServer): Promise<number | null> {
  servers.splice(servers.indexOf(server), 1);
  return server.stop();
}

async function register(server: TestServer, query: string): Promise<void> {
  const answer = await send(`${server.management}/models?synchronous=true&${query}`, { method: 'POST' });
  expect(answer.status, answer.body).toBe(200);
}

async function unregister(server: TestServer, name: string): Promise<void> {
  const answer = await send(`${server.management}/models/${name}`, { method: 'DELETE' });
  expect(answer.status, answer.body).toBe(200);
}

async function answerOf(server: TestServer, name: string): Promise<string> {
  return (await send(`${server.inference}/predictions/${name}`, { method: 'POST', body: 'x' })).body;
}

/** A model and beside it files that take their time to write. */
function manyFiles(count: number): ForgedZipEntry[] {
  const model = Object.entries({ ...MANIFEST, 'handler.py': HANDLER }).map(([name, content]) => ({ name, content }));
  return [...model, ...Array.from({ length: count }, (_, index) => ({ name: `f${index}`, content: `${index}` }))];
}

/** Entries and what is unfinished. */
async function names(): Promise<string[]> {
  return (await readdir(archives).catch(() => [])).filter((name) => !['digests', 'owners'].includes(name));
}

/** What was begun to be unpacked, by its name, while the watcher was there. */
async function watchUnpacking(): Promise<{ begun: Set<string>; watcher: FSWatcher }> {
  await mkdir(archives, { recursive: true, mode: 0o700 });
  const begun = new Set<string>();
  const watcher = watch(archives, (_, name) => {
    if (name?.startsWith('tmp~') === true) begun.add(name);
  });
  return { begun, watcher };
}

test('eight registrations in two servers that share a store and a cache unpack once, and go their own ways', async () => {
  await makeMar(join(store, 'm.mar'), { ...MANIFEST, 'handler.py': HANDLER, 'w.bin': randomBytes(20_000_000) });
  const [first, second] = await Promise.all([start(), start()]);
  const { begun, watcher } = await watchUnpacking();
  const models = ['a', 'b', 'c', 'd'];
  await Promise.all(
    [first, second].flatMap((server) =>
      models.map((name) => register(server, `url=m.mar&model_name=${name}&initial_workers=${name === 'a' ? 1 : 0}`)),
    ),
  );
  watcher.close();
  expect(begun.size).toBe(1);
  expect(await names()).toHaveLength(1);
  expect([await answerOf(first, 'a'), await answerOf(second, 'a')]).toEqual(['served', 'served']);

  for (const name of models) await unregister(first, name);
  expect(await answerOf(second, 'a')).toBe('served');
  await send(`${second.management}/models/a?min_worker=2&synchronous=true`, { method: 'PUT' });
  expect(await answerOf(second, 'a')).toBe('served');
  for (const name of models) await unregister(second, name);
  expect(await names()).toEqual([]);
});

test('eight archives at once are unpacked side by side, beside one that is refused', async () => {
  const models = Array.from({ length: 8 }, (_, index) => `m${index}`);
  for (const name of models) {
    const manifest = manifestFile({ modelName: name, modelVersion: '1.0', handler: 'handler.py' });
    await makeMar(join(store, name), { ...manifest, 'handler.py': HANDLER, 'w.bin': randomBytes(1_000_000) });
  }
  await forgeMar(join(store, 'evil'), [{ name: '../evil', content: 'x' }]);
  const server = await start();
  const evil = send(`${server.management}/models?url=evil&model_name=evil`, { method: 'POST' });
  await Promise.all(models.map((name) => register(server, `url=${name}`)));
  expect((await evil).status).toBe(400);
  expect(await names()).toHaveLength(8);
  await Promise.all(models.map((name) => unregister(server, name)));
  expect(await names()).toEqual([]);
});

test('a server that is started again unpacks nothing, also when the one before was killed', async () => {
  await makeMar(join(store, 'm.mar'), { ...MANIFEST, 'handler.py': HANDLER });
  const settings = { load_models: 'all', default_workers_per_model: '1' };
  const first = await start(settings);
  await expect.poll(() => answerOf(first, 'm'), PATIENCE).toBe('served');
  const [entry = ''] = await names();
  const { ino } = await stat(join(archives, entry, 'files', 'handler.py'));
  expect(await stop(first)).toBe(0);
  expect(await names()).toEqual([entry]);
  expect(await readdir(join(archives, 'owners'))).toEqual([]);

  const { begun, watcher } = await watchUnpacking();
  const second = await start(settings);
  await expect.poll(() => answerOf(second, 'm'), PATIENCE).toBe('served');
  second.process.kill('SIGKILL');
  await expect.poll(() => second.process.signalCode).toBe('SIGKILL');
  const third = await start(settings);
  await expect.poll(() => answerOf(third, 'm'), PATIENCE).toBe('served');
  watcher.close();
  expect([...begun]).toEqual([]);
  expect((await stat(join(archives, entry, 'files', 'handler.py'))).ino).toBe(ino);
  await unregister(third, 'm');
  expect(await names()).toEqual([]);
  await expect.poll(() => readdir(join(archives, 'owners'))).toHaveLength(1);
});

test('what a server leaves that is killed while it unpacks is cleared away by the next', async () => {
  await forgeMar(join(store, 'm.mar'), manyFiles(5000));
  const killed = await start();
  const { begun, watcher } = await watchUnpacking();
  const registering = register(killed, 'url=m.mar').catch(() => undefined);
  await expect.poll(() => begun.size, { interval: 1, ...PATIENCE }).toBe(1);
  killed.process.kill('SIGKILL');
  await registering;
  watcher.close();
  expect((await names()).some((name) => name.startsWith('tmp~'))).toBe(true);
  const next = await start();
  await expect.poll(names, PATIENCE).toEqual([]);
  await register(next, 'url=m.mar');
  expect(await names()).toHaveLength(1);
});

test('a server that is ended while it unpacks stops at once, and leaves nothing half done', async () => {
  await forgeMar(join(store, 'm.mar'), manyFiles(20_000));
  const server = await start();
  const { begun, watcher } = await watchUnpacking();
  const answer = send(`${server.management}/models?url=m.mar`, { method: 'POST' });
  await expect.poll(() => begun.size, { interval: 1, ...PATIENCE }).toBe(1);
  const ended = stop(server);
  expect((await answer).status).toBe(503);
  expect(await ended).toBe(0);
  watcher.close();
  expect(await names()).toEqual([]);
});

test('a cache that cannot be used is told, and archives are unpacked elsewhere', async () => {
  await mkdir(cache, { mode: 0o777 });
  await rm(cache, { recursive: true });
  await makeMar(cache, {});
  await makeMar(join(store, 'm.mar'), { ...MANIFEST, 'handler.py': HANDLER });
  const server = await start();
  await server.waitForLog(
    (line) => line.msg?.startsWith(`The cache ${cache} cannot be used: the system refused it`) === true,
  );
  await register(server, 'url=m.mar&initial_workers=1');
  expect(await answerOf(server, 'm')).toBe('served');
});

test('an archive with a directory beyond all measure is refused, and the server goes on', async () => {
  const name = (index: number) => `${'a'.repeat(250)}/${'b'.repeat(250)}/${'c'.repeat(250)}/${index}`;
  await forgeMar(
    join(store, 'names.mar'),
    Array.from({ length: 60_000 }, (_, index) => ({ name: name(index) })),
  );
  const server = await start();
  const answer = await send(`${server.management}/models?url=names.mar&model_name=n`, { method: 'POST' });
  expect(answer.status).toBe(400);
  expect(answer.body).toContain('directory of entries is too large');
  expect(await names()).toEqual([]);
  await makeMar(join(store, 'm.mar'), { ...MANIFEST, 'handler.py': HANDLER });
  await register(server, 'url=m.mar&initial_workers=1');
  expect(await answerOf(server, 'm')).toBe('served');
});
