import { describe, expect, it } from 'vitest';
import { parseModelConfig } from '../../../src/config/model-config.ts';
import { rejectionOf } from '../../support/thrown.ts';

describe('the key warmup', () => {
  it('names requests by file or by value, with the content type that they suggest', async () => {
    const { config, notices } = await parseModelConfig(
      `warmup:
- file: samples/cat.png
  count: 3
- file: notes
- body: some text
- body: {instances: [1, 2]}
- body: "[1, 2]"
  contentType: application/json
`,
      'refuse',
    );
    expect(config.warmup).toEqual([
      { body: { file: 'samples/cat.png' }, contentType: 'image/png', count: 3 },
      { body: { file: 'notes' }, contentType: 'application/octet-stream', count: 1 },
      { body: { text: 'some text' }, contentType: 'text/plain', count: 1 },
      { body: { text: '{"instances":[1,2]}' }, contentType: 'application/json', count: 1 },
      { body: { text: '[1, 2]' }, contentType: 'application/json', count: 1 },
    ]);
    expect(notices).toEqual([]);
    expect((await parseModelConfig('batchSize: 2', 'refuse')).config.warmup).toEqual([]);
  });

  it.each([
    ['warmup: true', 'warmup: expected a list'],
    ['warmup: [cat.png]', 'warmup[0]: expected file or body'],
    ['warmup: [{count: 2}]', 'warmup[0]: expected either file or body'],
    ['warmup: [{file: a, body: b}]', 'warmup[0]: expected either file or body'],
    ['warmup: [{body: a}, {body: b, counts: 2}]', 'warmup[1].counts: expected one of file, body, contentType, count'],
    ['warmup: [{body: a, count: 0}]', 'warmup[0].count: expected a whole number from 1 to 1000'],
    ['warmup: [{body: a, count: 1001}]', 'warmup[0].count: expected a whole number from 1 to 1000'],
    ['warmup: [{body: a, contentType: png}]', 'warmup[0].contentType: expected a media type'],
    ['warmup: [{file: ../cat.png}]', 'warmup[0].file: expected the relative path of a file inside the archive'],
    ['warmup: [{file: a/../../cat.png}]', 'warmup[0].file: expected the relative path'],
    ['warmup: [{file: /etc/hostname}]', 'warmup[0].file: expected the relative path'],
    ['warmup: [{file: "a\\\\b"}]', 'warmup[0].file: expected the relative path'],
    ['warmup: [{file: "."}]', 'warmup[0].file: expected the relative path'],
  ])('refuses %s, naming the field; where wrong values are ignored, it is told', async (yaml, words) => {
    const failure = await rejectionOf(parseModelConfig(yaml, 'refuse'));
    expect(failure).toMatchObject({ code: 'MANIFEST_INVALID', message: expect.stringContaining(words) });
    const { config, notices } = await parseModelConfig(yaml, 'ignore');
    expect(notices).toEqual([expect.stringContaining(words)]);
    expect(config.warmup.length).toBe(yaml.includes('counts') ? 1 : 0);
  });
});
