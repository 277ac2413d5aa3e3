import { describe, expect, it } from 'vitest';
import { pythonEnv } from '../../../src/workers/python-env.ts';

const options = {
  inherited: { HOME: '/home/x', PATH: '/bin' },
  modelDir: '/models/m',
  handler: 'handler.py',
  packagesDir: '/opt/sconce/python',
  decodeInput: true,
};

describe('the environment of a Python worker', () => {
  it('keeps what the server has, unbuffered, and says whether inputs are decoded', () => {
    expect(pythonEnv(options)).toEqual({
      HOME: '/home/x',
      PATH: '/bin',
      PYTHONPATH: '/models/m:/opt/sconce/python',
      PYTHONUNBUFFERED: '1',
      TS_DECODE_INPUT_REQUEST: 'true',
    });
    expect(pythonEnv({ ...options, decodeInput: false })['TS_DECODE_INPUT_REQUEST']).toBe('false');
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
