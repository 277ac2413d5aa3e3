import { describe, expect, it } from 'vitest';
import { describeExit, shellExitCode } from '../../../src/core/worker-state.ts';

describe('the words for an exit', () => {
  it.each([
    [{ exitCode: 3, signal: null }, 'exit code 3', 3],
    [{ exitCode: 0, signal: null }, 'exit code 0', 0],
    [{ exitCode: null, signal: 'SIGKILL' }, 'signal SIGKILL', 137],
    [{ exitCode: null, signal: null }, 'exit code unknown', 1],
  ])('%o is "%s", for a shell %i', (exit, words, code) => {
    const ended = { ...exit, stderrTail: [] };
    expect(describeExit(ended)).toBe(words);
    expect(shellExitCode(ended)).toBe(code);
  });
});
