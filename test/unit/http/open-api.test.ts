import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../../src/http/open-api.ts';
import type { Operation } from '../../../src/http/operation.ts';

const info = { title: 'T', description: 'D', version: '1' };
const operation: Operation = {
  id: 'predict',
  methods: ['POST', 'GET'],
  path: '/predictions/:model_name/:model_version/*',
  summary: 'Predicts',
  parameters: [
    { name: 'model_name', in: 'path', type: 'string', description: 'Name' },
    { name: 'limit', in: 'query', type: 'integer', description: 'Limit', default: 100 },
    { name: 'url', in: 'query', type: 'string', description: 'URL', isRequired: true },
  ],
  bodyTypes: ['*/*'],
  responses: { 200: 'The answer', 404: 'No such model' },
  handle: () => {},
};

/** As a client gets it. */
const documentOf = (operations: readonly Operation[]) => JSON.parse(JSON.stringify(openApiDocument(info, operations)));

describe('openApiDocument', () => {
  it('describes an operation once for each of its methods, with ids of their own', () => {
    const { openapi, info: printed, paths } = documentOf([operation]);
    expect(openapi).toBe('3.0.1');
    expect(printed).toEqual(info);
    expect(Object.keys(paths)).toEqual(['/predictions/{model_name}/{model_version}/{url_path}']);
    const [methods] = Object.values<Record<string, { operationId: string }>>(paths);
    expect(Object.entries(methods ?? {}).map(([method, { operationId }]) => [method, operationId])).toEqual([
      ['post', 'predict'],
      ['get', 'predict_get'],
    ]);
  });

  it('tells parameters, body types and answers', () => {
    const [{ post, get }] = Object.values<Record<string, unknown>>(documentOf([operation]).paths) as [
      Record<string, unknown>,
    ];
    expect(post).toEqual({
      description: 'Predicts',
      operationId: 'predict',
      parameters: [
        { in: 'path', name: 'model_name', description: 'Name', required: true, schema: { type: 'string' } },
        {
          in: 'query',
          name: 'limit',
          description: 'Limit',
          required: false,
          schema: { type: 'integer', default: 100 },
        },
        { in: 'query', name: 'url', description: 'URL', required: true, schema: { type: 'string' } },
        {
          in: 'path',
          name: 'url_path',
          description: 'Passed on to the handler',
          required: true,
          schema: { type: 'string' },
        },
      ],
      requestBody: { content: { '*/*': {} } },
      responses: { 200: { description: 'The answer' }, 404: { description: 'No such model' } },
    });
    expect(get).not.toHaveProperty('requestBody');
  });

  it('puts operations of one path side by side', () => {
    const list: Operation = { ...operation, id: 'list', methods: ['GET'], path: '/models', isDeprecated: true };
    const add: Operation = { ...operation, id: 'add', methods: ['POST'], path: '/models' };
    const { paths } = documentOf([list, add]);
    expect(Object.keys(paths['/models'])).toEqual(['get', 'post']);
    expect(paths['/models'].get.deprecated).toBe(true);
    expect(paths['/models'].post).not.toHaveProperty('deprecated');
  });
});
