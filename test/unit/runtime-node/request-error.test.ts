import { expect, test } from 'vitest';
import { handlerFailureOf } from '../../../src/runtime-node/handler-failure.ts';
import { failureOf, isOutOfMemory, OutputError, RequestError } from '../../../src/runtime-node/request-error.ts';

test.each([
  'CUDA out of memory. Tried to allocate 2 GiB',
  'std::bad_alloc',
  'Array buffer allocation failed',
  'Failed to allocate memory for requested buffer of size 1024',
  'ENOMEM: not enough memory, read',
  'posix_memalign: Cannot allocate memory',
])('"%s" says that memory was the reason, for networks and handlers alike', (message) => {
  expect(isOutOfMemory(message)).toBe(true);
  expect(failureOf(new Error(message))).toEqual({ code: 'OUT_OF_RESOURCES', message });
  expect(handlerFailureOf(new Error(message))).toEqual({
    code: 'OUT_OF_RESOURCES',
    message: 'The handler ran out of memory.',
  });
});

test('the text of an author’s error stays in the log, that of an output or of a refusal does not', () => {
  expect(handlerFailureOf(new Error('secret')).message).not.toContain('secret');
  const output = new OutputError('too long', 'RESPONSE_TOO_LARGE');
  expect(handlerFailureOf(output)).toEqual({ code: 'RESPONSE_TOO_LARGE', message: 'too long' });
  expect(failureOf(output)).toEqual(handlerFailureOf(output));
  expect(failureOf(new OutputError('NaN'))).toEqual({ code: 'OUTPUT_NOT_SERIALISABLE', message: 'NaN' });
  expect(failureOf(new RequestError('no', 415))).toEqual({ code: 'HANDLER_ERROR', message: 'no', status: 415 });
});
