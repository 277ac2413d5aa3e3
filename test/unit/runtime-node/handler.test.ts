import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  defineHandler,
  HandlerError,
  type HandlerRequest,
  type OnnxSession,
} from '../../../src/runtime-node/handler.ts';

describe('defineHandler', () => {
  test('gives the state that load returns its type in predict', () => {
    const handler = defineHandler({
      load: async (context) => ({ session: await context.onnx('a.onnx'), name: context.modelName }),
      predict: async (requests, state) => {
        expectTypeOf(requests).toEqualTypeOf<readonly HandlerRequest[]>();
        expectTypeOf(state).toEqualTypeOf<{ session: OnnxSession; name: string }>();
        return requests.map((request) => request.json<{ x: number }>().x);
      },
    });
    expect(Object.keys(handler)).toEqual(['load', 'predict']);
  });

  test('types methods, generators and handlers without a load alike', () => {
    const stateful = defineHandler({
      load(context) {
        return context.metrics.counter('n');
      },
      async *predictOne(request, state) {
        expectTypeOf(request).toEqualTypeOf<HandlerRequest>();
        expectTypeOf(state).toEqualTypeOf<{ add(value?: number): void }>();
        yield request.text();
      },
    });
    const stateless = defineHandler({
      predictOne: (request, state) => {
        expectTypeOf(state).toEqualTypeOf<undefined>();
        return request.id;
      },
    });
    expect([typeof stateful.predictOne, typeof stateless.predictOne]).toEqual(['function', 'function']);
  });
});

describe('HandlerError', () => {
  test('is an Error with a status and a cause', () => {
    const cause = new Error('inner');
    const error = new HandlerError(422, 'too short', { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'HandlerError', message: 'too short', status: 422, cause });
  });

  test.each([200, 399, 600, 400.5, Number.NaN])('refuses %s, which says no error', (status) => {
    expect(() => new HandlerError(status, '')).toThrow('the status must be an integer from 400 to 599');
  });
});
