import { describe, expect, it } from 'vitest';
import { SEQUENCE_HEADERS, sequenceNamesIn } from '../../../src/core/sequence-headers.ts';
import { launchFor } from '../../../src/workers/runtimes.ts';
import { fakeVersion } from '../../support/fake-version.ts';

const { spec } = fakeVersion({ name: 'm', version: '1' });
const settings = {
  python: 'python3',
  decodeInput: true,
  sequenceHeaders: SEQUENCE_HEADERS,
  ipex: { isEnabled: false, isEnabledOnGpu: false },
  env: { PATH: '/bin' },
};

describe.each(['python', 'node', 'onnx'] as const)('the launch of a %s worker', (runtime) => {
  const launch = (env: NodeJS.ProcessEnv) => launchFor({ ...spec, runtime }, { ...settings, env });

  it('starts in the folder of the model, with what the server has in its environment', () => {
    expect(launch({ PATH: '/bin', ANY: 'thing' })).toMatchObject({
      cwd: spec.modelDir,
      env: { PATH: '/bin', ANY: 'thing' },
    });
  });

  it('tells it the headers of sequences', () => {
    const sequenceHeaders = { id: 'x-id', start: 'x-start', end: 'x-end' };
    const { env } = launchFor({ ...spec, runtime }, { ...settings, sequenceHeaders });
    expect(sequenceNamesIn(env)).toEqual(sequenceHeaders);
  });

  it("switches ONNX Runtime's telemetry off, unless the server's environment says otherwise", () => {
    expect(launch({}).env['ORT_DISABLE_TELEMETRY']).toBe('1');
    expect(launch({ ORT_DISABLE_TELEMETRY: '0' }).env['ORT_DISABLE_TELEMETRY']).toBe('0');
  });
});
