// Every parameter of PUT /models/{model_name} in the documented dialect but `timeout` (scale-timeout.test.ts) and the devices
// (number-gpu.test.ts): what it is when absent, what it does, and where its bounds are.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContractBench, type DescribedVersion, startBench } from '../support/contract-bench.ts';
import { errorOf } from '../support/http-exchange.ts';

let bench: ContractBench;

beforeAll(async () => {
  bench = await startBench();
  await bench.addPuppet('puppet.mar', 'puppet');
});
afterAll(() => bench?.stop());
beforeEach(() => bench.clear('puppet'));

const scale = (query: string) => bench.manage('PUT', `/models/puppet${query}`);
const pidsOf = ({ workers }: DescribedVersion) => workers.map(({ pid }) => pid);

describe('min_worker and max_worker', () => {
  test('absent, min_worker is 1 and max_worker the same', async () => {
    await bench.register('url=puppet.mar');
    expect((await scale('?synchronous=true')).status).toBe(200);
    const version = await bench.describe('puppet');
    expect(version).toMatchObject({ minWorkers: 1, maxWorkers: 1, workers: [{ status: 'READY' }] });
  });

  test('max_worker above min_worker allows more than there are, but starts none', async () => {
    await bench.register('url=puppet.mar&initial_workers=1&synchronous=true');
    const before = await bench.describe('puppet');
    expect((await scale('?min_worker=1&max_worker=5&synchronous=true')).status).toBe(200);
    const after = await bench.describe('puppet');
    expect(after).toMatchObject({ minWorkers: 1, maxWorkers: 5 });
    expect(pidsOf(after)).toEqual(pidsOf(before));
  });

  test('workers beyond max_worker go, the newest first, and their processes with them', async () => {
    await bench.register('url=puppet.mar&initial_workers=3&synchronous=true');
    const before = await bench.describe('puppet');
    expect((await scale('?min_worker=1&max_worker=2&synchronous=true')).status).toBe(200);
    const after = await bench.describe('puppet');
    expect(after).toMatchObject({ minWorkers: 1, maxWorkers: 2 });
    expect(after.workers.map(({ id }) => id)).toEqual(before.workers.slice(0, 2).map(({ id }) => id));
    expect((await bench.livingPuppets()).sort()).toEqual(pidsOf(after).sort());
  });

  test('min_worker=0 with room for more starts none, and predictions are refused instead of waiting for ever', async () => {
    await bench.register('url=puppet.mar');
    expect((await scale('?min_worker=0&max_worker=2&synchronous=true')).status).toBe(200);
    expect(await bench.describe('puppet')).toMatchObject({ minWorkers: 0, maxWorkers: 2, workers: [] });
    const refused = await bench.ask('puppet', {});
    expect(refused.status).toBe(503);
    expect(errorOf(refused).message).toContain('PUT /models/puppet?min_worker=1');
  });

  test('min_worker=0 ends every worker and keeps the model', async () => {
    await bench.register('url=puppet.mar&initial_workers=2&synchronous=true');
    expect((await scale('?min_worker=0&synchronous=true')).status).toBe(200);
    expect(await bench.describe('puppet')).toMatchObject({ minWorkers: 0, maxWorkers: 0, workers: [] });
    expect(await bench.livingPuppets()).toEqual([]);
    expect((await scale('?min_worker=1&synchronous=true')).status).toBe(200);
    expect((await bench.ask('puppet', {})).status).toBe(200);
  });

  test.each([
    ['min_worker', ['-1', '1001', '1.5', 'two', '']],
    ['max_worker', ['-1', '1001', 'all']],
    ['number_gpu', ['-1', 'some']],
    ['synchronous', ['1', 'maybe']],
    ['timeout', ['-2', '1s']],
  ])('%s outside its bounds is refused, naming parameter and value, and changes nothing', async (name, values) => {
    await bench.register('url=puppet.mar');
    for (const value of values) {
      const answer = await scale(`?${name}=${value}`);
      expect(answer.status, `${name}=${value}`).toBe(400);
      expect(errorOf(answer).type).toBe('BadRequestException');
      expect(errorOf(answer).message).toMatch(new RegExp(`^Parameter ${name}: expected .+, found "${value}"$`));
    }
    expect(await bench.describe('puppet')).toMatchObject({ minWorkers: 0, maxWorkers: 0 });
  });

  test.each(['?min_worker=2&max_worker=1', '?max_worker=0'])('%s is refused: less than min_worker', async (query) => {
    await bench.register('url=puppet.mar');
    const answer = await scale(query);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatchObject({
      type: 'BadRequestException',
      message: 'max_worker cannot be less than min_worker.',
    });
  });

  test.each([
    ['/models/nobody?min_worker=1', 'ModelNotFoundException', 'Model not found: nobody'],
    [
      '/models/puppet/9.9?min_worker=1',
      'ModelVersionNotFoundException',
      'Model version: 9.9 does not exist for model: puppet',
    ],
  ])('PUT %s is answered with 404 %s', async (path, type, message) => {
    await bench.register('url=puppet.mar');
    const answer = await bench.manage('PUT', path);
    expect(answer.status).toBe(404);
    expect(errorOf(answer)).toEqual({ code: 404, type, message });
  });
});

describe('synchronous', () => {
  test('absent, the answer does not wait for the workers', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    await bench.register('url=slow.mar');
    expect((await scale('?min_worker=1')).status).toBe(202);
    await gate.entered();
    expect((await bench.describe('puppet')).workers.map(({ status }) => status)).toEqual(['UNLOADING']);
    await gate.open();
    await bench.until('puppet', ({ workers }) => workers.every(({ status }) => status === 'READY'));
  });

  test('true, the answer comes when every worker is ready', async () => {
    const gate = bench.gate();
    await bench.addPuppet('slow.mar', 'puppet', { load: { gate: gate.path } });
    await bench.register('url=slow.mar');
    let hasAnswered = false;
    const answer = scale('?min_worker=1&synchronous=true').finally(() => {
      hasAnswered = true;
    });
    await gate.entered();
    await bench.describe('puppet');
    expect(hasAnswered).toBe(false);
    await gate.open();
    expect((await answer).status).toBe(200);
    expect((await bench.describe('puppet')).workers.map(({ status }) => status)).toEqual(['READY']);
  });

  test('when a worker fails, the reason is told, the numbers go back, and the running worker stays', async () => {
    const flag = join(bench.store, 'bad-weights');
    await bench.addPuppet('moody.mar', 'puppet', { load: { raise_while: flag } });
    await bench.register('url=moody.mar&initial_workers=1&synchronous=true');
    const before = await bench.describe('puppet');
    await writeFile(flag, '');
    const answer = await scale('?min_worker=3&synchronous=true');
    expect(answer.status).toBe(500);
    expect(errorOf(answer).type).toBe('HandlerInitializeException');
    expect(errorOf(answer).message).toContain('RuntimeError: the weights are not to my taste');
    const after = await bench.describe('puppet');
    expect(after).toMatchObject({ minWorkers: 1, maxWorkers: 1, workers: [{ status: 'READY' }] });
    expect(pidsOf(after)).toEqual(pidsOf(before));
    expect(await bench.livingPuppets()).toEqual(pidsOf(before));
    expect((await bench.ask('puppet', {})).status).toBe(200);
  });
});
