// Listing with its pages, the default version and what may be done to it, and unregistration, in the documented dialect.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import { errorOf } from '../support/http-exchange.ts';

interface Page {
  readonly nextPageToken?: string;
  readonly models: readonly { readonly modelName: string; readonly modelUrl: string }[];
}

let bench: ContractBench;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench?.stop());

describe('the list', () => {
  const names = Array.from({ length: 103 }, (_, index) => `m${String(index).padStart(3, '0')}`);

  beforeAll(async () => {
    await bench.addNoop('noop.mar', 'noop');
    // Registered in another order than they are listed in.
    for (const name of [...names].reverse()) await bench.register(`url=noop.mar&model_name=${name}`);
  });
  afterAll(async () => {
    for (const name of names) await bench.clear(name);
  });

  const list = async (query: string): Promise<Page> => {
    const answer = await bench.manage('GET', `/models${query}`);
    expect(answer.status, answer.body).toBe(200);
    return answer.json() as Page;
  };

  test('absent, limit is 100 and the first page begins with the first name', async () => {
    const page = await list('');
    expect(page.models.map(({ modelName }) => modelName)).toEqual(names.slice(0, 100));
    expect(page.nextPageToken).toBe('100');
  });

  test('following the tokens shows every model once, in the order of names, and ends', async () => {
    const seen: string[] = [];
    let token: string | undefined = '0';
    while (token !== undefined) {
      const page: Page = await list(`?limit=40&next_page_token=${token}`);
      expect(Object.keys(page)).toEqual(page.nextPageToken === undefined ? ['models'] : ['nextPageToken', 'models']);
      seen.push(...page.models.map(({ modelName }) => modelName));
      token = page.nextPageToken;
    }
    expect(seen).toEqual(names);
  });

  test('limit goes from 1 to 1000', async () => {
    expect((await list('?limit=1')).models).toEqual([{ modelName: 'm000', modelUrl: 'noop.mar' }]);
    expect((await list('?limit=1000')).models).toHaveLength(103);
  });

  test('past the end a page is empty, and names no other', async () => {
    expect(await list('?next_page_token=5000')).toEqual({ models: [] });
  });

  test.each([
    'limit=0',
    'limit=1001',
    'limit=-1',
    'limit=ten',
    'limit=',
    'next_page_token=-1',
    'next_page_token=abc',
    'next_page_token=',
  ])('%s is refused, naming the parameter', async (query) => {
    const answer = await bench.manage('GET', `/models?${query}`);
    expect(answer.status).toBe(400);
    expect(errorOf(answer).message).toMatch(new RegExp(`^Parameter ${query.split('=')[0]}: expected a whole number`));
  });
});

describe('versions', () => {
  beforeAll(async () => {
    await bench.addPuppet('one.mar', 'puppet', { version: '1.0' });
    await bench.addPuppet('two.mar', 'puppet', { version: '2.0' });
  });
  beforeEach(() => bench.clear('puppet'));

  const both = async () => {
    await bench.register('url=one.mar');
    await bench.register('url=two.mar');
  };
  const startSecond = () => bench.manage('PUT', '/models/puppet/2.0?min_worker=1&synchronous=true');

  test('the version that was registered first is the default, until another is made it', async () => {
    await both();
    expect((await startSecond()).status).toBe(200);
    expect((await bench.ask('puppet', {})).status, 'version 1.0 has no worker').toBe(503);
    expect((await bench.manage('PUT', '/models/puppet/2.0/set-default')).status).toBe(200);
    expect((await bench.ask('puppet', {})).status).toBe(200);
    const listed = (await bench.manage('GET', '/models')).json() as Page;
    expect(listed.models).toEqual([{ modelName: 'puppet', modelUrl: 'two.mar' }]);
  });

  describe('set-default with wait_ready=true', () => {
    const setDefault = (version: string) =>
      bench.manage('PUT', `/models/puppet/${version}/set-default?wait_ready=true`);
    const defaultUrl = async () => ((await bench.manage('GET', '/models')).json() as Page).models[0]?.modelUrl;

    test('answers, and changes the default, once a worker of the version is ready', async () => {
      const gate = bench.gate();
      await bench.addPuppet('slow.mar', 'puppet', { version: '3.0', load: { gate: gate.path } });
      await bench.register('url=one.mar&initial_workers=1&synchronous=true');
      await bench.register('url=slow.mar&initial_workers=1');
      const flipped = setDefault('3.0');
      await gate.entered();
      expect((await bench.ask('puppet', {})).status).toBe(200);
      expect(await defaultUrl()).toBe('one.mar');
      await gate.open();
      expect(await flipped).toMatchObject({ status: 200 });
      expect(await defaultUrl()).toBe('slow.mar');
      expect((await setDefault('1.0')).status, 'at once, where a worker is ready').toBe(200);
    });

    test('answers with the reason, and changes nothing, when none can start', async () => {
      await bench.addPuppet('raising.mar', 'puppet', { version: '4.0', load: { raise_while: bench.store } });
      await bench.register('url=one.mar');
      await bench.register('url=raising.mar&initial_workers=1');
      const answer = await setDefault('4.0');
      expect(errorOf(answer)).toMatchObject({ code: 500, type: 'HandlerInitializeException' });
      expect(await defaultUrl()).toBe('one.mar');
    });

    test('answers how to add a worker, and changes nothing, when none is wanted', async () => {
      await both();
      const answer = await setDefault('2.0');
      expect(errorOf(answer)).toMatchObject({ code: 503, type: 'ServiceUnavailableException' });
      expect(errorOf(answer).message).toContain('PUT /models/puppet/2.0?min_worker=1');
      expect(await defaultUrl()).toBe('one.mar');
    });

    test('answers in the meantime of a version that is taken away', async () => {
      const gate = bench.gate();
      await bench.addPuppet('never.mar', 'puppet', { version: '5.0', load: { gate: gate.path } });
      await bench.register('url=one.mar');
      await bench.register('url=never.mar&initial_workers=1');
      const flipped = setDefault('5.0');
      await gate.entered();
      await bench.manage('DELETE', '/models/puppet/5.0?timeout=0');
      expect((await flipped).status).toBe(503);
      expect(await defaultUrl()).toBe('one.mar');
    });
  });

  test.each([
    ['PUT', '/models/puppet/9.9/set-default', 'Model version 9.9 does not exist for model puppet'],
    ['PUT', '/models/nobody/1.0/set-default', 'Model not found: nobody'],
    ['GET', '/models/puppet/9.9', 'Model version: 9.9 does not exist for model: puppet'],
    ['GET', '/models/nobody', 'Model not found: nobody'],
    ['GET', '/models/nobody/all', 'Model not found: nobody'],
    ['DELETE', '/models/puppet/9.9', 'Model version: 9.9 does not exist for model: puppet'],
    ['DELETE', '/models/nobody', 'Model not found: nobody'],
  ])('%s %s is answered with 404', async (method, path, message) => {
    await both();
    const answer = await bench.manage(method, path);
    expect(answer.status).toBe(404);
    const type = message.startsWith('Model not') ? 'ModelNotFoundException' : 'ModelVersionNotFoundException';
    expect(errorOf(answer)).toEqual({ code: 404, type, message });
  });

  test.each(['/models/puppet/1.0', '/models/puppet'])(
    'DELETE %s, the default while another version exists, is refused and changes nothing',
    async (path) => {
      await both();
      const answer = await bench.manage('DELETE', path);
      expect(answer.status).toBe(403);
      expect(errorOf(answer)).toEqual({
        code: 403,
        type: 'InvalidModelVersionException',
        message: 'Cannot remove default version for model puppet',
      });
      expect((await bench.describe('puppet')).modelVersion).toBe('1.0');
    },
  );

  test('an unregistered model leaves neither processes nor files, and its name and version are free again', async () => {
    await bench.register('url=two.mar&initial_workers=2&synchronous=true');
    expect(await bench.unpackedFolders()).toHaveLength(1);
    expect((await bench.manage('DELETE', '/models/puppet')).status).toBe(200);
    expect(await bench.livingPuppets()).toEqual([]);
    expect(await bench.unpackedFolders()).toEqual([]);
    expect((await bench.manage('GET', '/models/puppet')).status).toBe(404);
    expect((await bench.ask('puppet', {})).status).toBe(404);
    await bench.register('url=two.mar&initial_workers=1&synchronous=true');
    expect((await bench.ask('puppet', {})).status).toBe(200);
  });

  test('a version may be asked for by name in predictions as well', async () => {
    await both();
    expect((await startSecond()).status).toBe(200);
    expect((await bench.ask('puppet/2.0', {})).status).toBe(200);
    const unknown = await bench.ask('puppet/9.9', {});
    expect(errorOf(unknown)).toMatchObject({ code: 404, type: 'ModelVersionNotFoundException' });
  });
});
