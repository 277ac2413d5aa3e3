// Tests of the handler as a client sees it: each request goes through a worker of Sconce. In this folder: node --test
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

test('a text gets its mood', async () => {
  assert.deepEqual(await ask({ text: 'What a lovely day' }), { mood: 'glad', score: 2 });
  assert.equal((await ask({ text: 'Broken again, so sad' })).mood, 'sad');
});

test('a request without a text is refused with what to send', async () => {
  await assert.rejects(ask({}), /send JSON such as/);
});
