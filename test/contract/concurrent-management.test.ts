// Management requests that meet: registrations at once, one model twice at once, a scale during a scale, an unregistration during a load
// and during work. Every one is answered, the last wish holds, and no process is left behind.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContractBench, isAlive, PATIENCE, startBench } from '../support/contract-bench.ts';
import { type Answer, errorOf } from '../support/http-exchange.ts';

let bench: ContractBench;

beforeAll(async () => {
  bench = await startBench();
  await bench.addPuppet('puppet.mar', 'puppet');
  await bench.addPuppet('two.mar', 'puppet', { version: '2.0' });
});
afterAll(() => bench?.stop());
beforeEach(() => bench.clear('puppet'));

const statuses = (answers: readonly Answer[]) => answers.map(({ status }) => status).sort();
const scale = (query: string) => bench.manage('PUT', `/models/puppet?synchronous=true&${query}`);

/** Resolves with the ids of the puppets that live, once they are as many. */
async function puppets(count: number): Promise<number[]> {
  await expect.poll(async () => (await bench.livingPuppets()).length, PATIENCE).toBe(count);
  return bench.livingPuppets();
}

describe('registrations at once', () => {
  test('of many models all succeed, while the server goes on answering', async () => {
    const names = Array.from({ length: 24 }, (_, index) => `many${index}`);
    const registrations = names.map((name, index) =>
      bench.manage(
        'POST',
        `/models?url=puppet.mar&model_name=${name}&initial_workers=${index < 3 ? 1 : 0}&synchronous=true`,
      ),
    );
    expect((await bench.infer('/livez', { method: 'GET' })).status).toBe(200);
    expect(new Set(statuses(await Promise.all(registrations)))).toEqual(new Set([200]));
    const { models } = (await bench.manage('GET', '/models')).json() as { models: { modelName: string }[] };
    expect(models.map(({ modelName }) => modelName)).toEqual([...names].sort());
    expect(await bench.livingPuppets()).toHaveLength(3);
    const gone = await Promise.all(names.map((name) => bench.manage('DELETE', `/models/${name}`)));
    expect(new Set(statuses(gone))).toEqual(new Set([200]));
    expect(await bench.livingPuppets()).toEqual([]);
    expect(await bench.unpackedFolders()).toEqual([]);
  });

  test('of one version exactly one succeeds, and the others leave nothing behind', async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, () =>
        bench.manage('POST', '/models?url=puppet.mar&initial_workers=1&synchronous=true'),
      ),
    );
    expect(statuses(answers)).toEqual([200, 409, 409, 409, 409, 409]);
    for (const answer of answers.filter(({ status }) => status === 409)) {
      expect(errorOf(answer).type).toBe('ConflictStatusException');
    }
    const { workers } = await bench.describe('puppet');
    expect(workers.map(({ status }) => status)).toEqual(['READY']);
    expect(await bench.livingPuppets()).toEqual([workers[0]?.pid]);
    expect(await bench.unpackedFolders()).toHaveLength(1);
  });

  test('of two versions of one name both succeed, and one of them is the default', async () => {
    const answers = await Promise.all([bench.register('url=puppet.mar'), bench.register('url=two.mar')]);
    expect(statuses(answers)).toEqual([200, 200]);
    const all = (await bench.manage('GET', '/models/puppet/all')).json() as { modelVersion: string }[];
    expect(all.map(({ modelVersion }) => modelVersion).sort()).toEqual(['1.0', '2.0']);
    expect((await bench.describe('puppet')).modelVersion).toBe(all[0]?.modelVersion);
  });
});

describe('a scale during a synchronous registration', () => {
  test('takes over the workers; the model stays registered', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    const registered = bench.register('url=slow.mar&initial_workers=1&synchronous=true');
    await gate.entered();
    const scaled = scale('min_worker=2');
    const answer = await registered;
    expect([answer.status, answer.json()]).toEqual([202, { status: 'Worker updated' }]);
    await gate.open();
    expect((await scaled).status).toBe(200);
    expect(await bench.describe('puppet')).toMatchObject({ minWorkers: 2 });
    expect(await bench.livingPuppets()).toHaveLength(2);
  });
});

describe('a scale during a scale', () => {
  test('takes its place: the earlier one is told so, the later one gets its workers', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    await bench.register('url=slow.mar');
    const earlier = scale('min_worker=1');
    await gate.entered();
    const later = scale('min_worker=2');
    const superseded = await earlier;
    expect(superseded.status).toBe(409);
    expect(errorOf(superseded).type).toBe('ConflictStatusException');
    expect(errorOf(superseded).message).toMatch(/later request changed the workers of version 1\.0 of model "puppet"/);
    await gate.open();
    expect((await later).status).toBe(200);
    const { minWorkers, workers } = await bench.describe('puppet');
    expect({ minWorkers, ready: workers.map(({ status }) => status) }).toEqual({
      minWorkers: 2,
      ready: ['READY', 'READY'],
    });
    expect(await bench.livingPuppets()).toHaveLength(2);
  });

  test('down to zero ends the workers that the earlier one is still starting', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    await bench.register('url=slow.mar');
    const earlier = scale('min_worker=3');
    await puppets(3);
    const later = scale('min_worker=0&timeout=0');
    expect((await earlier).status).toBe(409);
    expect((await later).status).toBe(200);
    expect(await bench.describe('puppet')).toMatchObject({ minWorkers: 0, workers: [] });
    expect(await bench.livingPuppets()).toEqual([]);
  });

  test('up from zero keeps the workers that the earlier one was still draining', async () => {
    await bench.register('url=puppet.mar&initial_workers=1&synchronous=true');
    const gate = bench.gate();
    const held = bench.ask('puppet', { do: 'hold', gate: gate.path });
    await gate.entered();
    const down = scale('min_worker=0');
    await expect.poll(async () => (await bench.describe('puppet')).minWorkers, PATIENCE).toBe(0);
    const up = scale('min_worker=1');
    expect((await down).status).toBe(409);
    expect((await up).status).toBe(200);
    await gate.open();
    expect((await held).status).toBe(200);
    expect((await bench.ask('puppet', {})).status).toBe(200);
    expect(await bench.livingPuppets()).toHaveLength(1);
  });

  test('of many at once the last one holds', async () => {
    await bench.register('url=puppet.mar');
    const answers = await Promise.all([3, 1, 2, 0, 2].map((count) => scale(`min_worker=${count}`)));
    for (const { status } of answers) expect([200, 409]).toContain(status);
    expect(statuses(answers)).toContain(200);
    const { minWorkers, workers } = await bench.describe('puppet');
    expect(workers).toHaveLength(minWorkers);
    await puppets(minWorkers);
  });
});

describe('an unregistration', () => {
  test('while the first workers load, ends them and answers the registration that waits for them', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    const registration = bench.manage('POST', '/models?url=slow.mar&initial_workers=2&synchronous=true');
    const started = await puppets(2);
    const gone = await bench.manage('DELETE', '/models/puppet');
    expect(gone.status).toBe(200);
    const answer = await registration;
    expect(answer.status).toBe(503);
    expect(errorOf(answer).message).toMatch(/being stopped/);
    expect(started.filter(isAlive)).toEqual([]);
    expect((await bench.manage('GET', '/models/puppet')).status).toBe(404);
    expect(await bench.unpackedFolders()).toEqual([]);
  });

  test('under load answers what was accepted, refuses what comes, and leaves no process behind', async () => {
    await bench.register('url=puppet.mar&initial_workers=2&synchronous=true');
    const gate = bench.gate();
    const accepted = Array.from({ length: 20 }, () => bench.ask('puppet', { do: 'hold', gate: gate.path }));
    await bench.until('puppet', ({ jobQueueStatus }) => jobQueueStatus.pendingRequests === 18);
    const gone = bench.manage('DELETE', '/models/puppet?timeout=-1');
    await expect.poll(async () => (await bench.ask('puppet', {})).status, PATIENCE).toBe(404);
    await gate.open();
    expect(new Set(statuses(await Promise.all(accepted)))).toEqual(new Set([200]));
    expect((await gone).status).toBe(200);
    expect(await bench.livingPuppets()).toEqual([]);
  });

  test('twice at once succeeds once; the other finds nothing', async () => {
    await bench.register('url=puppet.mar&initial_workers=1&synchronous=true');
    const answers = await Promise.all([
      bench.manage('DELETE', '/models/puppet'),
      bench.manage('DELETE', '/models/puppet'),
    ]);
    expect(statuses(answers)).toEqual([200, 404]);
    expect(await bench.livingPuppets()).toEqual([]);
  });

  test('while the old one drains, the same name and version can be registered anew', async () => {
    await bench.register('url=puppet.mar&initial_workers=1&synchronous=true');
    const gate = bench.gate();
    const held = bench.ask('puppet', { do: 'hold', gate: gate.path });
    await gate.entered();
    const gone = bench.manage('DELETE', '/models/puppet?timeout=-1');
    await expect.poll(async () => (await bench.ask('puppet', {})).status, PATIENCE).toBe(404);
    await bench.register('url=puppet.mar&initial_workers=1&synchronous=true');
    const fresh = (await bench.ask('puppet', {})).json() as { pid: number };
    await gate.open();
    expect((await gone).status).toBe(200);
    const old = (await held).json() as { pid: number };
    expect(old.pid).not.toBe(fresh.pid);
    expect(await bench.livingPuppets()).toEqual([fresh.pid]);
  });
});

test('when the server stops, nothing of it lives on', async () => {
  const own = await startBench();
  await own.addPuppet('puppet.mar', 'puppet');
  await own.register('url=puppet.mar&initial_workers=2&synchronous=true');
  const pids = await own.livingPuppets();
  expect(pids).toHaveLength(2);
  await own.stop();
  expect(pids.filter(isAlive)).toEqual([]);
});
