import { describe, expect, it } from 'vitest';
import { parseModelConfig, type WrongValues } from '../../../src/config/model-config.ts';
import { servingMode } from '../../../src/config/serving-mode.ts';
import type { RuntimeName } from '../../../src/core/model-spec.ts';
import { SEQUENCE_HEADERS } from '../../../src/core/sequence-headers.ts';
import { rejectionOf } from '../../support/thrown.ts';

/** What a model-config.yaml comes to. */
async function modeOf(yaml: string, wrongValues: WrongValues = 'refuse', runtime: RuntimeName = 'python') {
  const { config, notices } = await parseModelConfig(yaml, wrongValues);
  const isStrict = wrongValues === 'refuse';
  const mode = servingMode(config.serving, { runtime, headers: SEQUENCE_HEADERS, isStrict });
  return { ...mode, notices: [...notices, ...mode.notices] };
}

describe('the keys of stateful and continuous models', () => {
  it('have defaults by which a client that vanishes does not keep its place', async () => {
    expect(await modeOf('sequenceBatching: true')).toEqual({
      sequences: { headers: SEQUENCE_HEADERS, maxSequences: 1, maxWaitingJobs: 1, maxIdleMs: 300_000, lifetimeMs: 0 },
      isContinuous: false,
      needsIdleWorker: false,
      notices: [],
    });
  });

  it('are taken as they are written', async () => {
    const yaml = [
      'sequenceBatching: true',
      'continuousBatching: true',
      'useJobTicket: true',
      'maxNumSequence: 8',
      'maxSequenceJobQueueSize: 4',
      'sequenceMaxIdleMSec: 0',
      'sequenceTimeoutMSec: 9000',
    ];
    expect(await modeOf(yaml.join('\n'))).toMatchObject({
      sequences: { maxSequences: 8, maxWaitingJobs: 4, maxIdleMs: 0, lifetimeMs: 9000 },
      isContinuous: true,
      needsIdleWorker: true,
      notices: [],
    });
  });

  it('of sequences have no effect without sequenceBatching, which is told', async () => {
    const { sequences, notices } = await modeOf('maxNumSequence: 8\nsequenceTimeoutMSec: 0');
    expect(sequences).toBeUndefined();
    expect(notices).toEqual(['model-config.yaml: "maxNumSequence" has no effect without sequenceBatching: true']);
  });

  it.each<[string, RuntimeName, string, boolean]>([
    ['continuousBatching: true', 'node', 'continuousBatching', false],
    ['continuousBatching: true', 'onnx', 'continuousBatching', false],
    ['continuousBatching: true\nasyncCommunication: true', 'python', 'asyncCommunication', true],
  ])('%j cannot be had with %s: refused, or told', async (yaml, runtime, parameter, isContinuous) => {
    const error = await rejectionOf(modeOf(yaml, 'refuse', runtime));
    expect(error).toMatchObject({ code: 'MANIFEST_INVALID', details: { parameter } });
    const mode = await modeOf(yaml, 'ignore', runtime);
    expect(mode.isContinuous).toBe(isContinuous);
    expect(mode.notices).toEqual([expect.stringMatching(`^model-config.yaml: ${parameter}: .*it has no effect$`)]);
  });

  it('are refused with values that they cannot have, or raised to the least', async () => {
    for (const yaml of ['maxNumSequence: 0', 'sequenceMaxIdleMSec: -1', 'sequenceBatching: 1', 'asyncCommunication: 1'])
      expect((await rejectionOf(modeOf(yaml))).code).toBe('MANIFEST_INVALID');
    const { sequences } = await modeOf('sequenceBatching: true\nmaxNumSequence: 0', 'ignore');
    expect(sequences?.maxSequences).toBe(1);
  });
});
