import { describe, expect, it } from 'vitest';
import { isModelName, isModelVersion } from '../../../src/core/model-name.ts';

describe('isModelName', () => {
  it.each(['noop', 'resnet-18', '_private', '7b', 'a.b', 'A'.repeat(128)])('takes %s', (name) => {
    expect(isModelName(name)).toBe(true);
  });

  it.each(['', '.', '..', '.hidden', '-x', 'a/b', 'a\\b', 'a b', 'a\n', 'a\0', 'ä', '__proto__', 'A'.repeat(129)])(
    'refuses %j',
    (name) => {
      expect(isModelName(name)).toBe(false);
    },
  );
});

describe('isModelVersion', () => {
  it.each(['1.0', '2024-01-01', '1.0.0+build.7', 'v1_rc'])('takes %s', (version) => {
    expect(isModelVersion(version)).toBe(true);
  });

  it.each(['', '..', '+1', '1/0', '1.0 beta', '1.0\n', '__proto__'])('refuses %j', (version) => {
    expect(isModelVersion(version)).toBe(false);
  });
});
