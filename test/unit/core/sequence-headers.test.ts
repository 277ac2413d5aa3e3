import { describe, expect, it } from 'vitest';
import type { HeaderPair } from '../../../src/core/job.ts';
import {
  endedSequences,
  SEQUENCE_HEADERS,
  sequenceMarks,
  withSequenceMarks,
} from '../../../src/core/sequence-headers.ts';

const newId = () => 'ts-seq-new';
const mark = (...headers: HeaderPair[]) => withSequenceMarks(headers, SEQUENCE_HEADERS, newId);

describe('the headers of a sequence', () => {
  it('are written under the configured names, however the client has spelled them', () => {
    expect(mark(['TS_Request_Sequence_ID', 'a'], ['x', '1'], ['Ts_Request_Sequence_End', 'true'])).toEqual([
      ['x', '1'],
      ['ts_request_sequence_id', 'a'],
      ['ts_request_sequence_end', 'true'],
    ]);
  });

  it.each([[[]], [[['ts_request_sequence_id', ''] as const]]])(
    'begin a new sequence where none is named',
    (headers) => {
      expect(mark(...headers)).toEqual([
        ['ts_request_sequence_id', 'ts-seq-new'],
        ['ts_request_sequence_start', 'true'],
      ]);
    },
  );

  it('are read by name, the last of several counting, and true in any case', () => {
    const headers: HeaderPair[] = [
      ['ts_request_sequence_id', 'a'],
      ['TS_REQUEST_SEQUENCE_ID', 'b'],
      ['ts_request_sequence_start', 'TRUE'],
      ['ts_request_sequence_end', 'false'],
    ];
    expect(sequenceMarks(headers, SEQUENCE_HEADERS)).toEqual({ id: 'b', isStart: true, isEnd: false });
    expect(sequenceMarks([], SEQUENCE_HEADERS)).toEqual({ id: undefined, isStart: false, isEnd: false });
  });

  it('of an answer may end several sequences', () => {
    expect(endedSequences([['ts_request_sequence_end', 'a; b;;c']], SEQUENCE_HEADERS)).toEqual(['a', 'b', 'c']);
    expect(endedSequences([['content-type', 'a']], SEQUENCE_HEADERS)).toEqual([]);
  });
});
