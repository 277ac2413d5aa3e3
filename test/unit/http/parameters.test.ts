import { describe, expect, it } from 'vitest';
import { DIALECTS, type DialectName } from '../../../src/config/dialect.ts';
import { Parameters, readParameters } from '../../../src/http/parameters.ts';
import { fakeExchange } from '../../support/fake-exchange.ts';
import { codeOf, rejectionOf, servingErrorOf } from '../../support/thrown.ts';

const KNOWN = ['url', 'batch_size', 'initial_workers', 'synchronous'];

function read(dialect: DialectName, url: string, body?: string, contentType = 'application/json') {
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': contentType };
  const request = body === undefined ? { url, headers, dialect } : { url, headers, body, dialect };
  return readParameters(fakeExchange(request), DIALECTS[dialect], KNOWN);
}

const strict = (value: string) => new Parameters(new Map([['p', value]]), 'strict');
const lenient = (value: string) => new Parameters(new Map([['p', value]]), 'lenient');

describe('a whole number', () => {
  it.each(['0', '1', '+5', '10'])('is read from "%s" in both policies', (text) => {
    expect(strict(text).whole('p', 0, 10)).toBe(Number(text));
    expect(lenient(text).whole('p', 0, 10)).toBe(Number(text));
  });

  it.each(['', ' 1', '1.0', '1e3', '0x10', 'one', '-1', '11', '99999999999', '١'])(
    'is refused from "%s", or the default taken',
    (text) => {
      expect(codeOf(() => strict(text).whole('p', 0, 10))).toBe('INVALID_PARAMETER');
      expect(lenient(text).whole('p', 0, 10)).toBeUndefined();
    },
  );

  it('names the parameter, what it may be and a little of what was found', () => {
    const error = servingErrorOf(() => strict('x'.repeat(500)).whole('p', 1, 10));
    expect(error.message).toBe(`Parameter p: expected a whole number from 1 to 10, found "${'x'.repeat(80)}"`);
    expect(error.details.parameter).toBe('p');
    expect(servingErrorOf(() => strict('-1').whole('p', 0)).message).toContain('a whole number of at least 0');
  });

  it('is absent when nobody gave it', () => {
    expect(strict('1').whole('other', 0)).toBeUndefined();
  });
});

describe('a flag', () => {
  it.each([
    ['true', true],
    ['TRUE', true],
    ['False', false],
  ])('is read from "%s" in any case', (text, value) => {
    expect(strict(text).flag('p')).toBe(value);
    expect(lenient(text).flag('p')).toBe(value);
  });

  it.each(['yes', '1', ''])('is refused from "%s", or false', (text) => {
    expect(codeOf(() => strict(text).flag('p'))).toBe('INVALID_PARAMETER');
    expect(lenient(text).flag('p')).toBe(false);
  });
});

describe('a text', () => {
  it('is absent when it is empty, and known to have been there', () => {
    expect(strict('').text('p')).toBeUndefined();
    expect(strict('').has('p')).toBe(true);
    expect(strict('x').text('p')).toBe('x');
    expect(strict('x').has('q')).toBe(false);
  });
});

describe('readParameters', () => {
  it.each(['documented', 'torchserve'] as const)('reads the query string (%s)', async (dialect) => {
    const parameters = await read(dialect, '/models?url=a%20b.mar&batch_size=4;synchronous=true&url=second');
    expect(parameters.text('url')).toBe('a b.mar');
    expect(parameters.whole('batch_size', 1)).toBe(4);
    expect(parameters.flag('synchronous')).toBe(true);
  });

  it('lets the body win, key by key, in the documented dialect', async () => {
    const parameters = await read('documented', '/models?url=query.mar&batch_size=4', '{"url": "body.mar"}');
    expect(parameters.text('url')).toBe('body.mar');
    expect(parameters.whole('batch_size', 1)).toBe(4);
  });

  it('ignores the query beside a body in the torchserve dialect', async () => {
    const parameters = await read('torchserve', '/models?batch_size=4', '{"url": "body.mar"}');
    expect(parameters.text('url')).toBe('body.mar');
    expect(parameters.has('batch_size')).toBe(false);
  });

  it('reads numbers, booleans and texts of a JSON body alike, and null as absent', async () => {
    const body = '{"batch_size": 4, "initial_workers": "2", "synchronous": true, "url": null}';
    const parameters = await read('documented', '/models', body, 'application/JSON; charset=utf-8');
    expect(parameters.whole('batch_size', 1)).toBe(4);
    expect(parameters.whole('initial_workers', 1)).toBe(2);
    expect(parameters.flag('synchronous')).toBe(true);
    expect(parameters.has('url')).toBe(false);
  });

  it('takes no parameters from a body that is not JSON', async () => {
    const parameters = await read('documented', '/models?url=q.mar', 'url=form.mar', 'text/plain');
    expect(parameters.text('url')).toBe('q.mar');
  });

  it('reads single quotes only where TorchServe did', async () => {
    const body = "{'url': 'body.mar'}";
    expect((await read('torchserve', '/models', body)).text('url')).toBe('body.mar');
    expect((await rejectionOf(read('documented', '/models', body))).code).toBe('INVALID_BODY');
  });

  it.each(['[]', '3', 'null', '{"url": ', ''.padEnd(200, '[')])('refuses the body %s', async (body) => {
    for (const dialect of ['documented', 'torchserve'] as const)
      expect((await rejectionOf(read(dialect, '/models', body))).code).toBe('INVALID_BODY');
  });

  it('refuses a list or an object as a value, naming the parameter', async () => {
    const error = await rejectionOf(read('documented', '/models', '{"url": ["a"]}'));
    expect(error).toMatchObject({ code: 'INVALID_PARAMETER', details: { parameter: 'url', value: '["a"]' } });
  });

  it('refuses what it does not know in the documented dialect, and guesses what was meant', async () => {
    const error = await rejectionOf(read('documented', '/models?batchsize=4'));
    expect(error).toMatchObject({ code: 'UNKNOWN_PARAMETER', details: { parameter: 'batchsize' } });
    expect(error.message).toBe('Unknown parameter "batchsize"; did you mean "batch_size"?');
    expect((await rejectionOf(read('documented', '/models?colour=red'))).message).toContain('known are: url');
    expect((await rejectionOf(read('documented', '/m', '{"__proto__": 1}'))).code).toBe('UNKNOWN_PARAMETER');
  });

  it('passes over what it does not know in the torchserve dialect', async () => {
    expect((await read('torchserve', '/models?colour=red&url=a.mar')).text('url')).toBe('a.mar');
  });

  it('refuses a JSON body that is longer than any needs to be, and leaves any other body unread', async () => {
    const long = JSON.stringify({ url: 'a.mar'.repeat(220_000) });
    const error = await rejectionOf(read('documented', '/models', long));
    expect([error.code, error.message]).toEqual(['INVALID_BODY', expect.stringContaining('1048576 bytes')]);
    expect((await read('documented', '/models?url=a.mar', long, 'text/plain')).text('url')).toBe('a.mar');
  });

  it('refuses broken percent-encoding', async () => {
    expect((await rejectionOf(read('documented', '/models?url=%zz'))).code).toBe('MALFORMED_URL');
  });

  it('keeps to TorchServe`s 1024 parameters', async () => {
    const many = Array.from({ length: 2000 }, (_, index) => `p${index}=1`).join('&');
    const parameters = await read('torchserve', `/models?${many}`);
    expect(parameters.has('p1023')).toBe(true);
    expect(parameters.has('p1024')).toBe(false);
  });
});
