import { describe, expect, it } from 'vitest';
import { SEQUENCE_HEADERS } from '../../../src/core/sequence-headers.ts';
import { pythonEnv } from '../../../src/workers/python-env.ts';

const options = {
  inherited: { HOME: '/home/x', PATH: '/bin' },
  modelDir: '/models/m',
  handler: 'handler.py',
  sitePackages: undefined,
  packagesDir: '/opt/sconce/python',
  decodeInput: true,
  sequenceHeaders: SEQUENCE_HEADERS,
  ipex: { isEnabled: false, isEnabledOnGpu: false },
};

describe('the environment of a Python worker', () => {
  it('keeps what the server has, unbuffered, and says whether inputs are decoded', () => {
    expect(pythonEnv(options)).toEqual({
      HOME: '/home/x',
      PATH: '/bin',
      PYTHONFAULTHANDLER: '1',
      PYTHONPATH: '/models/m:/opt/sconce/python',
      PYTHONUNBUFFERED: '1',
      TS_DECODE_INPUT_REQUEST: 'true',
      TS_IPEX_ENABLE: 'false',
      TS_IPEX_GPU_ENABLE: 'false',
      TS_REQUEST_SEQUENCE_ID: 'ts_request_sequence_id',
      TS_REQUEST_SEQUENCE_START: 'ts_request_sequence_start',
      TS_REQUEST_SEQUENCE_END: 'ts_request_sequence_end',
    });
    expect(pythonEnv({ ...options, decodeInput: false })['TS_DECODE_INPUT_REQUEST']).toBe('false');
  });

  it("tells handlers whether they use Intel's extension for PyTorch, whatever the server inherited", () => {
    const ipex = { isEnabled: true, isEnabledOnGpu: false };
    const env = pythonEnv({ ...options, ipex, inherited: { TS_IPEX_GPU_ENABLE: 'true' } });
    expect(env).toMatchObject({ TS_IPEX_ENABLE: 'true', TS_IPEX_GPU_ENABLE: 'false' });
  });

  it('finds what was installed for the model behind its archive', () => {
    const env = pythonEnv({ ...options, inherited: { PYTHONPATH: '/op' }, sitePackages: '/cache/packages' });
    expect(env['PYTHONPATH']).toBe('/op:/models/m:/cache/packages:/opt/sconce/python');
  });

  it('tells where native code crashed, unless the operator does not want that', () => {
    expect(pythonEnv({ ...options, inherited: { PYTHONFAULTHANDLER: '' } })['PYTHONFAULTHANDLER']).toBe('');
  });

  it.each([
    { handler: '/a/b/h.py:fn', PYTHONPATH: '/op:/x', path: '/a/b:/op:/x:/models/m:/opt/sconce/python' },
    { handler: 'sub/h.py:fn', PYTHONPATH: undefined, path: 'sub:/models/m:/opt/sconce/python' },
    { handler: 'h.py:fn', PYTHONPATH: '/op', path: '/op:/models/m:/opt/sconce/python' },
    { handler: '/a/b/h.py', PYTHONPATH: undefined, path: '/models/m:/opt/sconce/python' },
    { handler: 'image_classifier', PYTHONPATH: '', path: '/models/m:/opt/sconce/python' },
    { handler: undefined, PYTHONPATH: undefined, path: '/models/m:/opt/sconce/python' },
  ])('looks for modules in $path (handler $handler, PYTHONPATH $PYTHONPATH)', ({ handler, PYTHONPATH, path }) => {
    const inherited = PYTHONPATH === undefined ? {} : { PYTHONPATH };
    expect(pythonEnv({ ...options, handler, inherited })['PYTHONPATH']).toBe(path);
  });
});
