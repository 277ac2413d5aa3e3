import { describe, expect, it } from 'vitest';
import { prettyJson } from '../../../src/http/pretty-json.ts';

describe('prettyJson', () => {
  it('prints two spaces, leaves absent values out, and ends in one newline', () => {
    const text = prettyJson({ a: 1, absent: undefined, list: [{ b: 'ü' }], none: [] });
    expect(text).toBe('{\n  "a": 1,\n  "list": [\n    {\n      "b": "ü"\n    }\n  ],\n  "none": []\n}\n');
  });
});
