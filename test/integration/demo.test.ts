// The first minute, as `npm run demo` gives it: the digits network classifies a picture, every command that is printed works, Ctrl-C ends it
// all.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DIGIT_NAMES, mostLikely } from '../support/digits.ts';
import { offspringOf } from '../support/processes.ts';
import { Terminal } from '../support/terminal.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);

describe('npm run demo', () => {
  let terminal: Terminal;

  beforeAll(async () => {
    terminal = await Terminal.run(await demoScript(), { cwd: ROOT });
    await terminal.find(/Ctrl-C stops the server\.\n/);
  });

  afterAll(() => terminal?.close());

  test('draws the probabilities of a seven', () => {
    const bars = [...terminal.stdout.matchAll(/^ +(\w+) +(\d+\.\d) %(?: (█+))?$/gm)];
    expect(bars.map(([, name]) => name).toSorted()).toEqual(DIGIT_NAMES.toSorted());
    expect(bars[0]?.[1]).toBe('seven');
    expect(Number(bars[0]?.[2])).toBeGreaterThan(99);
    const lengths = bars.map(([, , , bar = '']) => bar.length);
    expect(lengths[0]).toBe(40);
    expect(Math.max(...lengths.slice(1))).toBe(0);
  });

  test('prints only commands that work', async () => {
    const commands = [...terminal.stdout.matchAll(/^(?:\$| ) *(curl .+)$/gm)].map(([, command = '']) => command);
    const answers: unknown[] = [];
    for (const command of commands) {
      const { stdout } = await run('bash', ['-euc', command.replace('curl', 'curl -sS')], { cwd: ROOT });
      answers.push(JSON.parse(stdout));
    }
    expect(answers).toEqual([
      // The demo has run this one already.
      { code: 409, type: 'ConflictStatusException', message: expect.stringContaining('digits') },
      expect.toSatisfy((answer) => Object.keys(answer)[0] === 'seven'),
      expect.toSatisfy((answer) => Object.keys(answer)[0] === 'three'),
      expect.toSatisfy((answer) => Object.keys(answer)[0] === 'seven'),
      expect.objectContaining({ name: 'digits', inputs: [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8] }] }),
      expect.objectContaining({
        model_name: 'digits',
        outputs: [expect.toSatisfy(({ name, data }) => name === 'scores' && mostLikely(data) === 7)],
      }),
      [expect.objectContaining({ modelName: 'digits', engine: 'ONNX Runtime', minWorkers: 1 })],
    ]);
  });

  test('ends with Ctrl-C: exit code 0, and nothing is left', async () => {
    expect(await terminal.interrupt()).toBe(0);
    expect(terminal.stderr).toBe('');
    expect(await terminal.leftFiles()).toEqual([]);
    expect(await offspringOf(terminal)).toEqual([]);
  });
});

test('a port that is taken is said in one line with the remedy, and nothing is left', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const terminal = await Terminal.run(await demoScript(), {
    cwd: ROOT,
    settings: { management_address: `http://${address}` },
  });
  try {
    expect(await terminal.exited).toBe(1);
    expect(terminal.stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(`^sconce: ${address} is in use by another process; stop it, or choose another address`),
    ]);
    expect(terminal.stdout).toBe('');
    expect(await terminal.leftFiles()).toEqual([]);
    expect(await offspringOf(terminal)).toEqual([]);
  } finally {
    await terminal.close();
    other.close();
  }
});

/** What `npm run demo` runs, without the building, which would pull `dist/` from under other tests; with ports that the system chooses. */
async function demoScript(): Promise<string> {
  const { scripts } = JSON.parse(await readFile(`${ROOT}package.json`, 'utf8'));
  const [build, demo] = scripts.demo.split(' && ');
  expect(build).toBe('npm run build');
  return `${demo} --ts-config "$TS_CONFIG_FILE"`;
}
