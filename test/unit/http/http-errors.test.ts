import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../../../src/config/dialect.ts';
import { ERROR_CODES, type ErrorCode, type ErrorDetails, ServingError } from '../../../src/core/errors.ts';
import { errorDocument } from '../../../src/http/http-errors.ts';

const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const details: ErrorDetails = { model: 'm', version: '1.0', url: 'm.mar', value: 'v' };

describe.each([DIALECTS.documented, DIALECTS.torchserve])('the errors of the $name dialect', (dialect) => {
  const documentOf = (code: ErrorCode, over: ErrorDetails = {}) =>
    errorDocument(dialect, new ServingError(code, 'our text', { ...details, ...over }));

  it.each(codes)('have a status, a type and a text for %s', (code) => {
    const document = documentOf(code);
    expect(Object.keys(document)).toEqual(['code', 'type', 'message']);
    expect(document.code).toBeGreaterThanOrEqual(400);
    expect(document.code).toBeLessThanOrEqual(599);
    expect(document.type).toMatch(/^[A-Z][A-Za-z]+Exception$/);
    expect(document.message).not.toMatch(/^$|undefined/);
  });

  it.each([422, 200, 999])('pass a handler`s own status %i on', (status) => {
    expect(documentOf('HANDLER_ERROR', { status }).code).toBe(status);
  });

  it.each([0, 199, 1000, -1])('make 500 of a handler`s status %i that HTTP cannot carry', (status) => {
    expect(documentOf('HANDLER_ERROR', { status }).code).toBe(500);
  });
});

describe('where the dialects differ', () => {
  it.each<[ErrorCode, ErrorDetails, readonly [number, string], readonly [number, string]]>([
    ['PREDICTION_FAILED', {}, [500, 'our text'], [503, 'our text']],
    ['RESPONSE_TIMEOUT', {}, [504, 'our text'], [500, 'Worker died.']],
    ['WORKER_DIED', {}, [503, 'our text'], [500, 'Worker died.']],
    ['WORKER_DIED', { exitCode: 137 }, [503, 'our text'], [507, 'Worker died.']],
    ['HANDLER_ERROR', { status: 413 }, [413, 'our text'], [507, 'our text']],
    ['OUTPUT_NOT_A_LIST', {}, [500, 'our text'], [503, 'Invalid model predict output']],
    [
      'HANDLER_IMPORT_FAILED',
      { model: 'm', version: '2' },
      [500, 'our text'],
      [500, 'Failed to start workers for model m version: 2'],
    ],
    ['STARTUP_TIMEOUT', { model: 'm' }, [500, 'our text'], [500, 'Failed to start workers for model m version: null']],
    ['WORKER_CRASHED_AT_START', { model: 'm', exitCode: 137 }, [500, 'our text'], [507, expect.any(String)]],
    ['MALFORMED_URL', {}, [400, 'our text'], [403, 'our text']],
    ['ARCHIVE_INVALID', { url: 'm.mar' }, [400, 'our text'], [500, 'Failed to save model: m.mar']],
  ])('%s with %o is %o and %o', (code, over, documented, torchserve) => {
    const error = new ServingError(code, 'our text', over);
    const answers = [DIALECTS.documented, DIALECTS.torchserve].map((dialect) => errorDocument(dialect, error));
    expect(answers.map(({ code, message }) => [code, message])).toEqual([documented, torchserve]);
  });

  it('words a full queue as TorchServe did, unbalanced quote and all', () => {
    const text = (over: ErrorDetails) =>
      errorDocument(DIALECTS.torchserve, new ServingError('QUEUE_FULL', 'ours', over)).message;
    expect(text({ model: 'm' })).toMatch(/^Model "m" has no worker to serve inference request\. /);
    expect(text({ model: 'm', version: '1.0' })).toMatch(/^Model "m" Version 1\.0" has no worker /);
  });
});
