import { describe, expect, it } from 'vitest';
import { FrameError, type FrameHeader } from '../../../src/protocol/frame.ts';
import { parseControlReply, parseWorkerMessage } from '../../../src/protocol/messages.ts';
import { GOLDEN_FRAMES } from '../../support/golden-frames.ts';

const parse = (header: object, partCount = 0) => parseWorkerMessage(header as FrameHeader, partCount);
const output = (item: object) => ({ type: 'output', outputs: [{ job: 1, last: true, as: 'json', ...item }] });

describe('parseWorkerMessage', () => {
  const fromWorker = GOLDEN_FRAMES.filter((frame) => frame.from === 'worker' && frame.channel === 'data');

  it.each(fromWorker)('reads the golden "$name"', ({ header, parts }) => {
    expect(parseWorkerMessage(header, parts.length).type).toBe(header.type);
  });

  it('fills in what an output may leave out', () => {
    expect(parse(output({}), 1)).toEqual({
      type: 'output',
      outputs: [{ job: 1, last: true, as: 'json', status: 200, reason: '', headers: [] }],
    });
  });

  it('reads all that an output may say', () => {
    const item = { job: 7, last: false, as: 'binary', status: 418, reason: 'Teapot', headers: [['a', 'b']] };
    expect(parse({ type: 'output', outputs: [item] }, 1)).toEqual({ type: 'output', outputs: [item] });
  });

  it('takes an output for the last only when it says so', () => {
    expect(parse(output({ last: undefined }), 1)).toMatchObject({ outputs: [{ last: false }] });
    expect(parse(output({ last: 'true' }), 1)).toMatchObject({ outputs: [{ last: false }] });
  });

  it('tells an error of the loading from an error of jobs', () => {
    const loading = { type: 'error', code: 'HANDLER_IMPORT_FAILED', message: 'm', trace: 't' };
    expect(parse(loading)).toEqual({ ...loading, jobs: undefined, status: undefined });
    const jobs = { type: 'error', code: 'HANDLER_ERROR', message: 'm', jobs: [1, 2], status: 422 };
    expect(parse(jobs)).toEqual({ ...jobs, trace: undefined });
  });

  it('passes over fields that a later worker may add', () => {
    expect(parse({ type: 'started', jobs: [1], since: 3 })).toEqual({ type: 'started', jobs: [1] });
  });

  it.each<[string, object, number]>([
    ['an unknown type', { type: 'hello' }, 0],
    ['a message for workers', { type: 'predict', jobs: [] }, 0],
    ['the answer to a ping on the wrong channel', { type: 'pong', id: 1 }, 0],
    ['outputs that are no list', { type: 'output', outputs: {} }, 0],
    ['an output that is no object', { type: 'output', outputs: [3] }, 1],
    ['more outputs than parts', output({}), 0],
    ['fewer outputs than parts', output({}), 2],
    ['an output without a job', output({ job: undefined }), 1],
    ['a job that is a text', output({ job: '1' }), 1],
    ['a job that is a fraction', output({ job: 1.5 }), 1],
    ['an encoding that nobody knows', output({ as: 'xml' }), 1],
    ['a status that is a text', output({ status: '200' }), 1],
    ['a reason that is a number', output({ reason: 3 }), 1],
    ['headers that are an object', output({ headers: { a: 'b' } }), 1],
    ['a header of three', output({ headers: [['a', 'b', 'c']] }), 1],
    ['a header value that is a number', output({ headers: [['a', 1]] }), 1],
    ['started without jobs', { type: 'started' }, 0],
    ['started with a text', { type: 'started', jobs: ['1'] }, 0],
    ['no capacity', { type: 'ready', capacity: 0, runtime: { name: 'p', version: '3' } }, 0],
    ['a capacity that is a text', { type: 'ready', capacity: '1', runtime: { name: 'p', version: '3' } }, 0],
    ['ready without a runtime', { type: 'ready', capacity: 1 }, 0],
    ['a runtime without a version', { type: 'ready', capacity: 1, runtime: { name: 'p' } }, 0],
    ['an error code that nobody knows', { type: 'error', code: 'OOPS', message: 'm' }, 0],
    ['an error code from an object`s prototype', { type: 'error', code: 'toString', message: 'm' }, 0],
    ['an error without a message', { type: 'error', code: 'INTERNAL' }, 0],
    ['error jobs that are a number', { type: 'error', code: 'INTERNAL', message: 'm', jobs: 3 }, 0],
    ['a metric of an unknown kind', { type: 'metric', name: 'a', unit: 'b', value: 1, kind: 'sum' }, 0],
    ['a metric whose value is a text', { type: 'metric', name: 'a', unit: 'b', value: '1', kind: 'gauge' }, 0],
    ['a metric without a name', { type: 'metric', unit: 'b', value: 1, kind: 'gauge' }, 0],
    [
      'dimensions that are an object',
      { type: 'metric', name: 'a', unit: 'b', value: 1, kind: 'gauge', dimensions: {} },
      0,
    ],
  ])('refuses %s', (_what, header, partCount) => {
    expect(() => parse(header, partCount)).toThrow(FrameError);
  });

  it('names the field that is wrong, and shows no more than a little of it', () => {
    const long = 'x'.repeat(10_000);
    expect(() => parse(output({ as: long }), 1)).toThrow(/^field "as" of a worker's message cannot be "x{79}$/);
  });
});

describe('parseControlReply', () => {
  const fromWorker = GOLDEN_FRAMES.filter((frame) => frame.from === 'worker' && frame.channel === 'control');

  it.each(fromWorker)('reads the golden "$name"', ({ header }) => {
    expect(parseControlReply(header)).toEqual(header);
  });

  it.each<[string, object]>([
    ['a pong without an id', { type: 'pong' }],
    ['returned without jobs', { type: 'returned' }],
    ['a job that is a text', { type: 'returned', jobs: ['1'] }],
    ['a message of the data channel', { type: 'started', jobs: [1] }],
  ])('refuses %s', (_what, header) => {
    expect(() => parseControlReply(header as FrameHeader)).toThrow(FrameError);
  });
});
