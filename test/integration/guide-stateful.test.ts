// docs/guides/stateful-and-streaming-handlers.md, done as it is printed: every command works, and what the page shows is what comes out.
import { expect, test } from 'vitest';
import { ExampleStore, runCurlBlocks, shownAnswers } from '../support/example-model.ts';
import { startServer } from '../support/sconce-server.ts';

const GUIDE = 'docs/guides/stateful-and-streaming-handlers.md';

test('the commands of the guide print what the guide says', async () => {
  const store = await ExampleStore.create();
  await store.add('stateful-counter', 'counter');
  await store.add('token-generator', 'generator');
  const server = await startServer({ modelStore: store.folder });
  try {
    const [, total, refusal, , words] = await runCurlBlocks(GUIDE, server);
    const [shownTotal = '', shownRefusal = '', shownWords] = await shownAnswers(GUIDE);
    expect(JSON.parse(total ?? '')).toEqual(JSON.parse(shownTotal));
    expect(JSON.parse(refusal ?? '')).toEqual(JSON.parse(shownRefusal));
    expect(words).toBe(shownWords);
  } finally {
    await server.stop();
    await store.remove();
  }
});
