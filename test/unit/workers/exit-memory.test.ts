import { describe, expect, it } from 'vitest';
import type { WorkerExit } from '../../../src/core/worker-state.ts';
import { memoryVerdict } from '../../../src/workers/exit-memory.ts';

type End = Pick<WorkerExit, 'exitCode' | 'signal' | 'stderrTail'>;

const by = (signal: string, ...stderrTail: string[]): End => ({ exitCode: null, signal, stderrTail });
const withCode = (exitCode: number, ...stderrTail: string[]): End => ({ exitCode, signal: null, stderrTail });

describe('whether a process ran out of memory', () => {
  it.each<[string, End, boolean, string | undefined]>([
    ['the kernel killed it, and counted that', by('SIGKILL'), true, 'out'],
    ['somebody killed it: a daemon, or a person', by('SIGKILL'), false, 'probably out'],
    ['a shell says that its child was killed', withCode(137), false, 'probably out'],
    ['Python had no memory', withCode(1, 'Traceback (most recent call last):', 'MemoryError'), false, 'out'],
    [
      'C++ had none',
      by('SIGABRT', "instance of 'std::bad_alloc'", 'Fatal Python error: Aborted', '', '', ''),
      false,
      'out',
    ],
    ['V8 had none', by('SIGABRT', 'Allocation failed - JavaScript heap out of memory', 'at a', 'at b'), false, 'out'],
    ['the GPU had none', withCode(1, 'torch.OutOfMemoryError: CUDA out of memory. Tried'), false, 'out'],
    [
      'it spoke of memory, but long before',
      withCode(1, 'MemoryError', 'served on', 'and on', 'and left'),
      false,
      undefined,
    ],
    ['it was content when it left', withCode(0, 'MemoryError'), false, undefined],
    ['it crashed', by('SIGSEGV', 'Fatal Python error: Segmentation fault'), true, undefined],
  ])('%s', (_what, end, hasKernelKilled, verdict) => {
    expect(memoryVerdict(end, hasKernelKilled)).toBe(verdict);
  });
});
