// A TypeScript handler's ONNX session in a worker of its own: the `onnx:` section of model-config.yaml sets its threads.
import { copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { handlerFolder, removeHandlerFolders } from '../support/handler-folder.ts';
import { NodeWorker } from '../support/node-worker.ts';

const DIGITS = fileURLToPath(new URL('../../examples/digits/onnx-model/digits.onnx', import.meta.url));

afterEach(removeHandlerFolders);

test.skipIf(process.platform !== 'linux')('the session has the threads that the onnx section says', async () => {
  const folder = await handlerFolder({
    'handler.ts': "export default { load: (context) => context.onnx('digits.onnx'), predictOne: () => 'ok' };",
  });
  await copyFile(DIGITS, join(folder, 'digits.onnx'));
  const one = await threadsWith(folder, { intraOpThreads: 1 });
  expect(await threadsWith(folder, { intraOpThreads: 5 })).toBe(one + 4);
});

/** How many threads a worker has once its handler is loaded. */
async function threadsWith(folder: string, onnx: object): Promise<number> {
  const worker = new NodeWorker(folder);
  expect(await worker.load({ modelDir: folder, handler: 'handler', modelConfig: { onnx } })).toMatchObject({
    type: 'ready',
  });
  const threads = await readdir(`/proc/${worker.process.pid}/task`);
  expect(await worker.stop(), worker.output).toBe(0);
  return threads.length;
}
