// docs/guides/migrate-from-torchserve.md, done as it is printed, by somebody who has the server that the page speaks of.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../support/free-port.ts';
import { blocksOf } from '../support/markdown-blocks.ts';
import { type ForegroundServer, TorchserveHome } from '../support/torchserve-home.ts';

const GUIDE = fileURLToPath(new URL('../../docs/guides/migrate-from-torchserve.md', import.meta.url));

const GREETER = `
def handle(data, context):
    return data and ["Hello, %s\\n" % row["name"].decode() for row in data]
`;

let home: TorchserveHome;

beforeAll(async () => {
  home = await TorchserveHome.create();
  await home.archive('greeter', GREETER);
  await home.archive('shouter', GREETER.replace('Hello', 'HELLO'));
});

afterAll(async () => {
  await home?.close();
});

test('the commands of the guide print what the guide says', async () => {
  const ports = [await freePort(), await freePort(), await freePort()];
  const page = ports.reduce(
    (text, port, index) => text.replaceAll(`:${8080 + index}`, `:${port}`),
    await readFile(GUIDE, 'utf8'),
  );
  let printed = '';
  let checked = 0;
  let container: ForegroundServer | undefined;
  for (const { language, text } of blocksOf(page)) {
    if (language === 'properties') {
      await home.write('config.properties', text);
    } else if (language === 'text') {
      expect(printed).toMatch(patternOf(text));
      checked += 1;
    } else if (language === 'sh' && text.includes('--foreground')) {
      container = await home.serve(text.trim().split(' ').slice(1));
      expect(JSON.parse(await home.shell(`curl -sS http://127.0.0.1:${ports[1]}/models`))).toMatchObject({
        models: [{ modelName: 'greeter' }, { modelName: 'shouter' }],
      });
    } else if (language === 'sh') {
      printed = await home.shell(text.replaceAll(/^curl /gm, 'curl -sS '));
    }
  }
  expect(checked).toBe(9);
  container?.process.kill('SIGTERM');
  expect(await container?.ended).toBe(0);
});

/** The text as the page shows it, with "…" for what differs from machine to machine. */
function patternOf(text: string): RegExp {
  const escaped = text.trimEnd().replaceAll(/[{}.*+?^$()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('…', '.+')}\\n?$`);
}
