// OPTIONS: the API descriptions are OpenAPI 3.0.1 and true: whatever they describe is answered by more than the router, with the
// parameters that they name, and whatever path the contract knows is described.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ContractBench, startBench } from '../support/contract-bench.ts';
import { errorOf } from '../support/http-exchange.ts';

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly schema: { readonly type: string; readonly default?: unknown };
}

interface Operation {
  readonly operationId: string;
  readonly description: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> };
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

interface OpenApi {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const LISTENERS = ['inference', 'management'] as const;
/** What each listener is known to answer. */
const IN_USE = {
  management: [
    'options /',
    'get /models',
    'post /models',
    'get /models/{model_name}',
    'put /models/{model_name}',
    'delete /models/{model_name}',
    'options /models/{model_name}',
    'get /models/{model_name}/{model_version}',
    'put /models/{model_name}/{model_version}',
    'delete /models/{model_name}/{model_version}',
    'options /models/{model_name}/{model_version}',
    'put /models/{model_name}/{model_version}/set-default',
    'post /models/{model_name}/workers/{worker_id}/restart',
    'post /models/{model_name}/{model_version}/workers/{worker_id}/restart',
    'get /api-description',
    'get /v1/models/{model_name}',
    'get /livez',
    'get /readyz',
  ],
  inference: [
    'options /',
    'get /ping',
    'post /predictions/{model_name}',
    'put /predictions/{model_name}',
    'get /predictions/{model_name}',
    'post /predictions/{model_name}/{model_version}',
    'post /predictions/{model_name}/{model_version}/{url_path}',
    'options /predictions/{model_name}',
    'post /explanations/{model_name}',
    'post /explanations/{model_name}/{model_version}',
    'post /models/{model_name}/invoke',
    'post /invocations',
    'post /v1/models/{model_name}:predict',
    'post /v1/models/{model_name}:explain',
    'get /v1/models/{model_name}',
    'post /v2/models/{model_name}/infer',
    'post /v2/models/{model_name}/explain',
    'post /{model_name}/predict',
    'post /{model_name}/{model_version}/predict',
    'get /api-description',
    'get /livez',
    'get /readyz',
  ],
} as const;
/** The query parameters of the Management API document, with their defaults where it states them. */
const CONTRACT_PARAMETERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  registerModel: {
    url: undefined,
    model_name: undefined,
    handler: undefined,
    runtime: 'PYTHON',
    batch_size: 1,
    max_batch_delay: 100,
    initial_workers: 0,
    synchronous: false,
    response_timeout: 120,
  },
  setAutoScale: { min_worker: 1, max_worker: undefined, number_gpu: undefined, synchronous: false, timeout: -1 },
  listModels: { limit: 100, next_page_token: undefined },
};
const SAMPLES: Readonly<Record<string, string>> = {
  model_name: 'noop',
  model_version: '1.0',
  url_path: 'a/b',
  worker_id: '1',
};

let bench: ContractBench;

beforeAll(async () => {
  bench = await startBench();
  await bench.addNoop('noop.mar', 'noop');
  await bench.register('url=noop.mar&initial_workers=1&synchronous=true');
});
afterAll(() => bench?.stop());

const ask = (listener: (typeof LISTENERS)[number], method: string, path: string) =>
  listener === 'management' ? bench.manage(method, path) : bench.infer(path, { method });

async function documentOf(listener: (typeof LISTENERS)[number], path = '/'): Promise<OpenApi> {
  const answer = await ask(listener, 'OPTIONS', path);
  expect(answer.status, answer.body).toBe(200);
  expect(answer.header('content-type')).toBe('application/json');
  return answer.json() as OpenApi;
}

function operationsOf(document: OpenApi): { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ method, path, operation })),
  );
}

describe.each(LISTENERS)('OPTIONS / of the %s listener', (listener) => {
  test('is a valid OpenAPI 3.0.1 document', async () => {
    expectValid(await documentOf(listener));
  });

  test('describes every path in use', async () => {
    const described = operationsOf(await documentOf(listener)).map(({ method, path }) => `${method} ${path}`);
    expect(described).toEqual(expect.arrayContaining([...IN_USE[listener]]));
  });

  test('describes nothing that the router does not have', async () => {
    for (const { method, path } of operationsOf(await documentOf(listener))) {
      // A model of this name never was: what takes models away or wants one says so, and changes nothing.
      const target = path
        .replaceAll(/\{(\w+)\}/g, (_, name: string) => SAMPLES[name] ?? '')
        .replace('noop', method === 'delete' ? 'never' : 'noop');
      const answer = await ask(listener, method.toUpperCase(), target);
      if (answer.status < 400) continue;
      expect(errorOf(answer).type, `${method} ${target}`).not.toMatch(/^(ResourceNotFound|MethodNotAllowed)/);
    }
  });

  test('is answered at /api-description as well, to any method', async () => {
    const document = await documentOf(listener);
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      expect((await ask(listener, method, '/api-description')).json()).toEqual(document);
    }
  });
});

describe('the management description', () => {
  test.each(Object.entries(CONTRACT_PARAMETERS))('%s has the parameters of the contract', async (id, expected) => {
    const { operation } = find(await documentOf('management'), id);
    const described = operation.parameters.filter((parameter) => parameter.in === 'query');
    const defaults = Object.fromEntries(described.map(({ name, schema }) => [name, schema.default]));
    expect(defaults).toMatchObject(expected);
    expect(Object.keys(defaults)).toEqual(expect.arrayContaining(Object.keys(expected)));
  });

  test.each([
    'listModels',
    'registerModel',
    'setAutoScale',
    'version_setAutoScale',
    'describeModel',
    'version_describeModel',
    'setDefault',
    'restartWorker',
    'version_restartWorker',
    'unregisterModel',
    'version_unregisterModel',
  ])('%s takes every query parameter that is described, and refuses one that is not', async (id) => {
    const { method, path, operation } = find(await documentOf('management'), id);
    const target = path.replace('{model_name}', 'never').replace('{model_version}', '1.0');
    const described = operation.parameters.filter((parameter) => parameter.in === 'query');
    for (const { name, schema } of described) {
      const value = schema.default ?? { string: '0', integer: 1, boolean: true }[schema.type];
      const answer = await bench.manage(method.toUpperCase(), `${target}?${name}=${String(value)}`);
      expect(answer.body, name).not.toMatch(/Unknown parameter|expected/);
    }
    const answer = await bench.manage(method.toUpperCase(), `${target}?no_such_thing=1`);
    expect(answer.status).toBe(400);
    expect(errorOf(answer).message).toMatch(/^Unknown parameter "no_such_thing"/);
  });

  test('OPTIONS of a model describes what can be done with it; of an unknown one it is 404', async () => {
    for (const path of ['/models/noop', '/models/noop/1.0']) {
      const document = await documentOf('management', path);
      expectValid(document);
      expect(document.info.title).toContain('noop');
      expect(Object.keys(document.paths).every((one) => one.includes('{model_name}'))).toBe(true);
    }
    const unknown = await bench.manage('OPTIONS', '/models/nobody');
    expect(errorOf(unknown)).toEqual({
      code: 404,
      type: 'ModelNotFoundException',
      message: 'Model not found: nobody',
    });
  });

  test('a path that exists with another method is 405, one that does not is 404', async () => {
    const notAllowed = await bench.manage('PUT', '/models');
    expect(errorOf(notAllowed)).toMatchObject({ code: 405, type: 'MethodNotAllowedException' });
    const notFound = await bench.manage('GET', '/nothing/here');
    expect(errorOf(notFound)).toMatchObject({ code: 404, type: 'ResourceNotFoundException' });
  });
});

function find(document: OpenApi, id: string) {
  const found = operationsOf(document).find(({ operation }) => operation.operationId === id);
  if (found === undefined) throw new Error(`no operation ${id}`);
  return found;
}

/** What OpenAPI 3.0.1 demands of the parts that are used here. */
function expectValid(document: OpenApi): void {
  expect(Object.keys(document)).toEqual(['openapi', 'info', 'paths']);
  expect(document.openapi).toBe('3.0.1');
  expect(document.info).toMatchObject({ title: expect.stringMatching(/./), version: expect.stringMatching(/^\d/) });
  const operations = operationsOf(document);
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size, 'operation ids are unique').toBe(ids.length);
  for (const { method, path, operation } of operations) {
    const where = `${method} ${path}`;
    expect(path, where).toMatch(/^\/(?:[^?*:]|(?<=\}):)*$/);
    expect(['get', 'put', 'post', 'delete', 'options', 'head', 'patch'], where).toContain(method);
    const names = operation.parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
    expect(new Set(names).size, where).toBe(names.length);
    const templated = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `path ${name}`);
    expect(names.filter((name) => name.startsWith('path ')).sort(), where).toEqual(templated.sort());
    for (const parameter of operation.parameters) {
      expect(['query', 'path'], where).toContain(parameter.in);
      if (parameter.in === 'path') expect(parameter.required, where).toBe(true);
      const { type, default: fallback } = parameter.schema;
      expect(['string', 'integer', 'boolean'], where).toContain(type);
      if (fallback !== undefined) expect(typeof fallback, where).toBe(type === 'integer' ? 'number' : type);
    }
    expect(Object.keys(operation.responses).length, where).toBeGreaterThan(0);
    for (const [status, response] of Object.entries(operation.responses)) {
      expect(status, where).toMatch(/^[1-5]\d\d$/);
      expect(response.description, where).toMatch(/./);
    }
  }
}
