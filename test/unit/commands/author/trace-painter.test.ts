import { describe, expect, it } from 'vitest';
import { authorPlace, TracePainter } from '../../../../src/commands/author/trace-painter.ts';
import { paintFor } from '../../../../src/commands/terminal/paint.ts';

const marks = {
  bold: (text: string) => `<b>${text}</b>`,
  dim: (text: string) => `<d>${text}</d>`,
  red: (text: string) => `<r>${text}</r>`,
  green: (text: string) => text,
  yellow: (text: string) => text,
};
const FOLDER = '/home/author/model';

const PYTHON = `Traceback (most recent call last):
  File "/opt/sconce/python/sconce_worker/service.py", line 66, in run
    results = self.handle(batch.rows, self.context)
  File "/home/author/model/handler.py", line 12, in handle
    return helper(data)
           ^^^^^^^^^^^^
  File "/home/author/model/.venv/lib/python3.11/site-packages/lib.py", line 3, in helper
    raise ValueError("no")
ValueError: no`;

const NODE = `TypeError: text is undefined
    at Object.predictOne (/home/author/model/handler.ts:7:19)
    at HandlerModel.run (file:///opt/sconce/dist/runtime-node/handler-model.js:70:20)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)`;

describe('a trace on the terminal', () => {
  const painted = (trace: string) => {
    const painter = new TracePainter(marks, FOLDER);
    return trace.split('\n').map((line) => painter.paint(line));
  };

  it("of Python shows the author's frames with their code, steps back from others, and ends in red", () => {
    expect(painted(PYTHON)).toEqual([
      'Traceback (most recent call last):',
      '<d>  File "/opt/sconce/python/sconce_worker/service.py", line 66, in run</d>',
      '<d>    results = self.handle(batch.rows, self.context)</d>',
      '<b>  File "/home/author/model/handler.py", line 12, in handle</b>',
      '<b>    return helper(data)</b>',
      '<b>           ^^^^^^^^^^^^</b>',
      '<d>  File "/home/author/model/.venv/lib/python3.11/site-packages/lib.py", line 3, in helper</d>',
      '<d>    raise ValueError("no")</d>',
      '<b><r>ValueError: no</r></b>',
    ]);
  });

  it('of Node does the same', () => {
    expect(painted(NODE)).toEqual([
      '<b><r>TypeError: text is undefined</r></b>',
      '<b>    at Object.predictOne (/home/author/model/handler.ts:7:19)</b>',
      '<d>    at HandlerModel.run (file:///opt/sconce/dist/runtime-node/handler-model.js:70:20)</d>',
      '<d>    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)</d>',
    ]);
  });

  it('leaves what a handler prints as it is', () => {
    const lines = ['loaded 3 files', '  indented', 'epoch 1: loss 0.3', ''];
    expect(painted(lines.join('\n'))).toEqual(lines);
  });
});

describe("the place in the author's code", () => {
  it('is the innermost frame that the author wrote', () => {
    expect(authorPlace(PYTHON, FOLDER)).toEqual({ file: 'handler.py', line: 12 });
    expect(authorPlace(NODE, FOLDER)).toEqual({ file: 'handler.ts', line: 7 });
  });

  it('is found where esbuild points at an error of syntax', () => {
    const trace = '✘ [ERROR] Expected ";"\n\n    handler.ts:3:14:\n      3 │ const a b';
    expect(authorPlace(trace, FOLDER)).toEqual({ file: 'handler.ts', line: 3 });
  });

  it('is not known when no frame is the author’s', () => {
    expect(authorPlace('  File "/opt/other/x.py", line 1, in f\n    at f (node:fs:1:2)', FOLDER)).toBeUndefined();
  });
});

describe('paint', () => {
  it.each([
    ['a pipe', { isTTY: false }, {}],
    ['a terminal with NO_COLOR', { isTTY: true }, { NO_COLOR: '1' }],
    ['a dumb terminal', { isTTY: true }, { TERM: 'dumb' }],
  ])('adds nothing for %s', (_what, stream, env) => {
    expect(paintFor(stream, env).red('x')).toBe('x');
  });

  it('adds codes for a terminal', () => {
    expect(paintFor({ isTTY: true }, { NO_COLOR: '' }).bold('x')).toBe('\u001b[1mx\u001b[22m');
  });
});
