import { describe, expect, it } from 'vitest';
import { ERROR_CODES, isErrorCode, ServingError, toServingError } from '../../../src/core/errors.ts';

describe('toServingError', () => {
  it('passes a ServingError on', () => {
    const error = new ServingError('QUEUE_FULL', 'full');
    expect(toServingError(error)).toBe(error);
  });

  it.each([new TypeError('secret path /etc/x'), 'secret', undefined, null, { message: 'secret' }])(
    'makes INTERNAL of %o and keeps its text inside',
    (thrown) => {
      const error = toServingError(thrown);
      expect(error.code).toBe('INTERNAL');
      expect(error.message).not.toContain('secret');
      if (thrown !== undefined) expect(error.cause).toBe(thrown);
    },
  );
});

describe('isErrorCode', () => {
  it('knows every code of the catalogue', () => {
    for (const code of Object.keys(ERROR_CODES)) expect(isErrorCode(code)).toBe(true);
  });

  it.each(['', 'NOPE', 'toString', '__proto__', 'queue_full', 3, null, undefined, ['QUEUE_FULL']])(
    'does not take %o for one',
    (value) => {
      expect(isErrorCode(value)).toBe(false);
    },
  );
});

describe('a ServingError', () => {
  it('carries code, details and cause', () => {
    const cause = new Error('why');
    const error = new ServingError('WORKER_DIED', 'died', { exitCode: 137 }, cause);
    expect(error).toMatchObject({ name: 'ServingError', code: 'WORKER_DIED', details: { exitCode: 137 }, cause });
  });

  it('has no cause when there was none', () => {
    expect('cause' in new ServingError('INTERNAL', 'x')).toBe(false);
  });
});
