import { describe, expect, it } from 'vitest';
import { closestWord, didYouMean } from '../../../src/core/did-you-mean.ts';

const known = ['batch_size', 'max_batch_delay', 'url', 'runtime'];

describe('did you mean', () => {
  it.each([
    ['batchsize', 'batch_size'],
    ['BATCH_SIZE', 'batch_size'],
    ['batch_szie', 'batch_size'],
    ['max_batch_dely', 'max_batch_delay'],
    ['ulr', 'url'],
    ['runtme', 'runtime'],
  ])('finds what "%s" was meant to be', (word, meant) => {
    expect(closestWord(word, known)).toBe(meant);
  });

  it.each(['temperature', 'x', '', 'urlurlurl'])('does not guess for "%s"', (word) => {
    expect(closestWord(word, known)).toBeUndefined();
    expect(didYouMean(word, known)).toBe('');
  });

  it('prefers the nearer of two candidates', () => {
    expect(closestWord('min_workers', ['max_worker', 'min_worker'])).toBe('min_worker');
  });

  it('ends a sentence with its guess', () => {
    expect(didYouMean('ulr', known)).toBe('; did you mean "url"?');
  });

  it('stays quick for a word of a megabyte', () => {
    expect(closestWord('a'.repeat(1_000_000), ['a'.repeat(1_000_000), 'b'])).toBeUndefined();
  });
});
