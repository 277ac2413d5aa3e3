import { PassThrough } from 'node:stream';
import { beforeEach, describe, expect, it } from 'vitest';
import { AuthorLog } from '../../../../src/commands/author/author-log.ts';
import { paintFor } from '../../../../src/commands/terminal/paint.ts';
import { workerLog } from '../../../../src/telemetry/logger.ts';

const plain = paintFor({}, {});
const tag = { model: 'm', version: '1.0', worker: '9000' };
let output: PassThrough;
let messages: PassThrough;
let log: AuthorLog;

beforeEach(() => {
  output = new PassThrough({ encoding: 'utf8' });
  messages = new PassThrough({ encoding: 'utf8' });
  log = new AuthorLog({ output, messages, paint: { output: plain, messages: plain }, folder: '/m' });
});

const printed = (stream: PassThrough) => String(stream.read() ?? '');
const worker = () => workerLog(log.serverLog.log);

describe("the author's log", () => {
  it('shows what the handler prints as it was printed', () => {
    worker().line(tag, 'stdout', 'loss: 0.3 "quoted"');
    worker().line(tag, 'stderr', '  a warning');
    expect(printed(output)).toBe('loss: 0.3 "quoted"\n  a warning\n');
  });

  it('leaves out what goes well, and tells warnings', () => {
    log.serverLog.log.info('model registered');
    log.serverLog.log.warn('the model asks for a GPU');
    worker().event(tag, 'error', 'worker ended: exit code 3');
    expect(printed(messages)).toBe('! the model asks for a GPU\n✗ worker ended: exit code 3\n');
  });

  it('tells a start that fails by itself with place and trace, once', () => {
    const trace = 'Traceback (most recent call last):\n  File "/m/h.py", line 4, in f\nValueError: no';
    worker().line(tag, 'stdout', 'The model m could not be loaded: ValueError: no.');
    worker().line(tag, 'stdout', trace);
    worker().event(tag, 'error', 'worker failed to start: ValueError: no.', { trace });
    worker().event(tag, 'error', 'worker ended: exit code 1');
    expect(printed(output)).toBe('');
    expect(printed(messages)).toBe(
      '✗ h.py:4 ValueError: no.\n  Traceback (most recent call last):\n    File "/m/h.py", line 4, in f\n  ValueError: no\n',
    );
  });

  it('leaves a start that fails during a load to whoever loads', async () => {
    await log.during(async () => worker().event(tag, 'error', 'worker failed to start: no'));
    expect(printed(messages)).toBe('');
  });

  it('shows a hint on a line of its own', () => {
    log.fail({ message: 'No module named cv2. Install it.', trace: undefined, hint: 'Install it.' });
    expect(printed(messages)).toBe('✗ No module named cv2.\n  Install it.\n');
  });

  it('leaves out a trace that only says the same again', () => {
    log.fail({
      message: 'It ended: spawn python3 ENOENT. Install it.',
      trace: 'spawn python3 ENOENT',
      hint: undefined,
    });
    expect(printed(messages)).toBe('✗ It ended: spawn python3 ENOENT. Install it.\n');
  });
});
