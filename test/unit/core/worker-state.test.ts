import { describe, expect, it } from 'vitest';
import { describeExit, exitReason, shellExitCode, type WorkerExit } from '../../../src/core/worker-state.ts';

const UNEXPLAINED = { stderrTail: [], killedFor: undefined, memory: undefined };

describe('the words for an exit', () => {
  it.each([
    [{ exitCode: 3, signal: null }, 'exit code 3', 3],
    [{ exitCode: 0, signal: null }, 'exit code 0', 0],
    [{ exitCode: null, signal: 'SIGKILL' }, 'signal SIGKILL', 137],
    [{ exitCode: null, signal: null }, 'exit code unknown', 1],
  ])('%o is "%s", for a shell %i', (exit, words, code) => {
    const ended = { ...exit, ...UNEXPLAINED };
    expect(describeExit(ended)).toBe(words);
    expect(shellExitCode(ended)).toBe(code);
    expect(exitReason(ended)).toBeUndefined();
  });

  it.each<[Partial<WorkerExit>, string, string]>([
    [{ killedFor: 'it broke the protocol' }, 'signal SIGKILL, by the server: it broke the protocol', 'killed'],
    [{ memory: 'out' }, 'signal SIGKILL: out of memory', 'oom'],
    [{ killedFor: 'MemoryError', memory: 'out' }, 'signal SIGKILL, by the server: MemoryError', 'oom'],
    [{ memory: 'probably out' }, 'signal SIGKILL: most often a sign that memory ran out', 'probably-oom'],
  ])('say why, where that is known: %o', (why, words, reason) => {
    const ended: WorkerExit = { exitCode: null, signal: 'SIGKILL', ...UNEXPLAINED, ...why };
    expect(describeExit(ended)).toBe(words);
    expect(exitReason(ended)).toBe(reason);
  });
});
