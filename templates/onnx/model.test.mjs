// Tests of the network as a client sees it: each request goes through a worker of Sconce. In this folder: node --test
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const MODEL = fileURLToPath(new URL('.', import.meta.url));

/** What the model answers to this document; rejects, with all that was printed, when it refuses. */
async function ask(body) {
  const { stdout } = await promisify(execFile)('sconce', ['invoke', MODEL, '--json', JSON.stringify(body)]);
  return JSON.parse(stdout);
}

test('the most probable class comes first', async () => {
  assert.equal(Object.keys(await ask({ size: [0.3, 0.2] }))[0], 'letter');
  assert.equal(Object.keys(await ask({ size: [9, 6] }))[0], 'freight');
});

test('a tensor of another shape is refused with the one that is wanted', async () => {
  await assert.rejects(ask({ size: [1, 2, 3] }), /size/);
});
