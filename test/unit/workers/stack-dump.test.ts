import { describe, expect, it } from 'vitest';
import { stackIn } from '../../../src/workers/stack-dump.ts';

const DUMP = [
  'a word of the handler',
  'Thread 0x00007f01 (most recent call first):',
  '  File "/opt/python/sconce_worker/control.py", line 40 in run',
  'Current thread 0x00007f00 (most recent call first):',
  '  File "/usr/lib/python3/socket.py", line 10 in connect',
  '  File "/models/m/sub/net.py", line 7 in fetch',
  '  File "/models/m/handler.py", line 3 in initialize',
  '  File "/opt/python/sconce_worker/worker.py", line 1 in main',
  'Thread 0x00007f02 (most recent call first):',
  '  File "/usr/lib/python3/threading.py", line 1 in run',
  'Extension modules: numpy',
];

describe('where a worker hangs', () => {
  it("is the innermost line of the model's own code, told with the calls in between and what else was said", () => {
    const { trace, place } = stackIn(DUMP, '/models/m');
    expect(place).toBe('sub/net.py, line 7, in fetch');
    expect(trace.split('\n')).toEqual(['a word of the handler', ...DUMP.slice(3, 7), 'Extension modules: numpy']);
  });

  it('is told by all that was written when no thread is in the model', () => {
    expect(stackIn(DUMP, '/models/other')).toEqual({ trace: DUMP.join('\n'), place: undefined });
    expect(stackIn([], '/models/m')).toEqual({ trace: '', place: undefined });
  });
});
