// `.onnx` files as people have them: behind links, in folders with odd names, with their weights in a file beside them, or broken. Each is
// served, or refused in one line.
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { Terminal } from '../support/terminal.ts';
import { identityNetwork, networkWithDataFile } from '../support/tiny-onnx.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const PAIR = identityNetwork([{ name: 'x', type: 'FP32', shape: ['batch', 2] }]);
const WEIGHTS = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);

let folder: string;
const terminals: Terminal[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce onnx 100% '));
});

afterEach(async () => {
  for (const terminal of terminals.splice(0)) await terminal.close();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function serve(model: string): Promise<Terminal> {
  const terminal = await Terminal.run(`exec node ${MAIN} serve '${model}'`, { cwd: folder });
  terminals.push(terminal);
  return terminal;
}

test('a file with spaces and percent signs in its path is served under a name that URLs can carry', async () => {
  await mkdir(join(folder, '50% off'));
  await writeFile(join(folder, '50% off', 'my net%20.onnx'), PAIR);
  const terminal = await serve('50% off/my net%20.onnx');
  await terminal.find(/^my_net_20 is ready\.\n {2}input {2}x: FP32 \[-1, 2\]$/m);
});

test('weights in a file beside the network are loaded, and named when they are missing', async () => {
  const network = networkWithDataFile('sum.onnx.data');
  for (const name of ['whole', 'half']) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'sum.onnx'), network);
  }
  await writeFile(join(folder, 'whole', 'sum.onnx.data'), WEIGHTS);
  const whole = await serve('whole/sum.onnx');
  const [, address] = await whole.find(/^sum is ready\.[\s\S]*?(http:\/\/[^/\s]+)\/predictions\/sum/m);
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(`${address}/predictions/sum`, { method: 'POST', headers, body: '[1, 1, 1, 1]' });
  expect(await answer.json()).toEqual([2, 3, 4, 5]);
  const half = await serve('half/sum.onnx');
  const [line] = await half.find(/^sum cannot start: .+$/m);
  expect(line).toContain('External data');
  expect(line).toContain('sum.onnx.data');
});

test('a file that is cut short, or a link to nothing, is refused in one line', async () => {
  await writeFile(join(folder, 'cut.onnx'), PAIR);
  await truncate(join(folder, 'cut.onnx'), PAIR.length - 9);
  await symlink('nowhere.onnx', join(folder, 'dangling.onnx'));
  const cut = await serve('cut.onnx');
  const [line] = await cut.find(/^cut cannot start: .+$/m);
  expect(line).toMatch(/ONNX Runtime cannot load the model: .*cut\.onnx failed:Protobuf parsing failed\.$/);
  const dangling = await serve('dangling.onnx');
  expect(await dangling.exited).toBe(1);
  expect(dangling.stderr).toBe('sconce: dangling.onnx: there is no such file or folder\n');
});

test('a link in the model store is called like the link', async () => {
  const store = join(folder, 'store');
  await mkdir(store);
  await writeFile(join(store, 'net-7.onnx'), PAIR);
  await symlink('net-7.onnx', join(store, 'latest.onnx'));
  let server: TestServer | undefined;
  try {
    server = await startServer({ modelStore: store });
    const path = '/models?url=latest.onnx&initial_workers=1&synchronous=true';
    const registered = await fetch(server.management + path, { method: 'POST' });
    expect(registered.status, await registered.text()).toBe(200);
    const metadata = await fetch(`${server.inference}/v2/models/latest`);
    expect(await metadata.json()).toMatchObject({ name: 'latest', inputs: [{ name: 'x' }] });
  } finally {
    await server?.stop();
  }
});
