// `sconce archive create|inspect|lint`, run as people run them; and our archives in a server.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { filesBelow, forgeMar, makeFolder, makeMar, manifestFile } from '../support/archive-forge.ts';
import { type RunResult, runCommand } from '../support/run-command.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { ask, register } from '../support/serving-client.ts';
import { identityNetwork } from '../support/tiny-onnx.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const HANDLER = 'def handle(data, context):\n    return ["hello"] * len(data or [])\n';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-create-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const archive = (line: string, env: Record<string, string> = {}): Promise<RunResult> =>
  runCommand('sconce', ['archive', ...line.split(' ')], { cwd: folder, env });

async function inspected(name: string): Promise<Record<string, unknown>> {
  return JSON.parse((await archive(`inspect ${name} --json`)).stdout) as Record<string, unknown>;
}

const pathsIn = (inspection: Record<string, unknown>) =>
  (inspection['files'] as { path: string }[]).map(({ path }) => path);

describe('sconce archive create', () => {
  it('packs a folder without a manifest by the names of its files, and leaves out what is hidden', async () => {
    await makeFolder(join(folder, 'pets'), {
      'pets_handler.py': HANDLER,
      'net.py': 'x = 1\n',
      'pets.pt': 'weights',
      'requirements.txt': '# what it needs\nnumpy>=1.20\n',
      'model-config.yaml': 'batchSize: 4\n',
      'data/labels.json': '{}',
      '.env': 'SECRET=1',
      '.git/config': '',
      '__pycache__/x.pyc': '',
    });
    const { exitCode, stdout, stderr } = await archive('create pets');
    expect(exitCode).toBe(0);
    expect(stderr).toBe('  left out: .env, .git, __pycache__\n');
    const inspection = await inspected('pets.mar');
    expect(inspection['manifest']).toMatchObject({
      runtime: 'python',
      model: {
        modelName: 'pets',
        modelVersion: '1.0',
        handler: 'pets_handler.py',
        serializedFile: 'pets.pt',
        requirementsFile: 'requirements.txt',
        configFile: 'model-config.yaml',
      },
    });
    expect(pathsIn(inspection)).toEqual([
      'data/labels.json',
      'model-config.yaml',
      'net.py',
      'pets.pt',
      'pets_handler.py',
      'requirements.txt',
      'MAR-INF/MANIFEST.json',
    ]);
    expect(inspection).toMatchObject({ requirements: ['numpy>=1.20'], config: { batchSize: 4 } });
    const size = (await readFile(join(folder, 'pets.mar'))).length;
    expect(stdout).toBe(
      [
        'pets.mar',
        `  ${(size / 1000).toFixed(1)} kB, 7 files`,
        `  sha256 ${String(inspection['sha256'])}`,
        '',
        'Serve it:',
        '  sconce serve pets.mar',
        'or, once it lies in the model store of a running server:',
        '  curl -X POST "http://localhost:8081/models?url=pets.mar&initial_workers=1&synchronous=true"',
        '',
      ].join('\n'),
    );
  });

  it('builds upon the manifest that is there, and lets flags win', async () => {
    await makeFolder(join(folder, 'src'), {
      ...manifestFile(
        { modelName: 'pets', modelVersion: '2.0', handler: 'go.py', mine: 1 },
        { description: 'pictures' },
      ),
      'go.py': HANDLER,
      'handler.py': HANDLER,
    });
    expect(await archive('create src --version 3.0 --handler handler:handle --runtime python3')).toMatchObject({
      exitCode: 0,
    });
    const { manifest } = await inspected('pets.mar');
    expect(manifest).toMatchObject({
      description: 'pictures',
      runtime: 'python3',
      model: { modelName: 'pets', modelVersion: '3.0', handler: 'handler:handle', mine: 1 },
    });
  });

  it('packs an .onnx file, and a TypeScript folder', async () => {
    await writeFile(join(folder, 'net.onnx'), identityNetwork([{ name: 'x', type: 'FP32', shape: ['batch', 2] }]));
    expect(await archive('create net.onnx')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await inspected('net.mar')).toMatchObject({
      manifest: { runtime: 'onnx', model: { modelName: 'net', serializedFile: 'net.onnx' } },
      networks: { 'net.onnx': { inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 2] }] } },
    });
    await makeFolder(join(folder, 'words'), { 'handler.ts': 'export default { predictOne: () => 1 };\n' });
    expect(await archive('create words')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await inspected('words.mar')).toMatchObject({
      manifest: { runtime: 'node', model: { handler: 'handler.ts' } },
    });
  });

  it('packs what flags name, in the words of torch-model-archiver and in shorter ones', async () => {
    await makeFolder(folder, {
      'code/h.py': HANDLER,
      'w.pt': 'w',
      'more/a.txt': 'a',
      'net.py': 'x = 1\n',
      'r.txt': '',
      'c.yaml': '',
    });
    const long =
      '--model-name m --version 2 --handler code/h.py --serialized-file w.pt --extra-files more --model-file net.py --requirements-file r.txt --config-file c.yaml --export-path out --archive-format zip-store --force';
    const short =
      '--name m -v 2 --handler code/h --weights w.pt --extra more --model-file net.py -r r.txt -c c.yaml --out out --format zip-store -f';
    for (const flags of [long, short]) {
      const { exitCode, stderr } = await archive(`create ${flags}`, { SOURCE_DATE_EPOCH: '1700000000' });
      expect(stderr).not.toContain('sconce:');
      expect(exitCode).toBe(0);
      expect(await inspected('out/m.mar')).toMatchObject({
        manifest: {
          model: {
            modelVersion: '2',
            handler: 'h.py',
            serializedFile: 'w.pt',
            modelFile: 'net.py',
            requirementsFile: 'r.txt',
            configFile: 'c.yaml',
          },
        },
        files: [{ path: 'w.pt', packedBytes: 1 }, {}, {}, {}, {}, { path: 'a.txt' }, {}],
      });
    }
  });

  it('adds files from outside of the folder that a flag names', async () => {
    await makeFolder(folder, { 'src/handler.py': HANDLER, 'weights/w.pt': 'w', 'deep/other.py': HANDLER });
    expect(await archive('create src --weights weights/w.pt --handler deep/other:handle --name m')).toMatchObject({
      exitCode: 0,
    });
    expect(await inspected('m.mar')).toMatchObject({
      manifest: { model: { serializedFile: 'w.pt', handler: 'other:handle' } },
    });
  });

  it.each([
    [
      'two files of one name',
      'create src --extra more',
      /"\S*src\/a\.txt" and "\S*more\/a\.txt" are both called "a\.txt" in the archive\. Rename one/,
    ],
    ['a folder that is missing', 'create absent', /create: there is no file absent/],
    ['a file that is no model', 'create src/a.txt', /src\/a\.txt is neither a folder nor an \.onnx file/],
    ['no handler', 'create more', /There is no handler: .*Name one with --handler/],
    [
      'several handlers',
      'create several',
      /Several files may be the handler: a_handler\.py, b_handler\.py\. Name one with --handler/,
    ],
    [
      'a handler that is missing',
      'create src --handler absent',
      /--handler: there is no file absent\. Name a file in src or the current folder, or one of base_handler/,
    ],
    [
      'weights that are missing',
      'create src --weights absent.pt',
      /--serialized-file: there is no file absent\.pt\. It is neither in src nor/,
    ],
    ['no name', 'create --handler src/handler.py', /--model-name: there is none/],
    [
      'a name that no archive may have',
      'create src --name ü',
      /--model-name: "ü" is no name for a model: expected letters, digits/,
    ],
    ['a manifest that is not JSON', 'create broken', /broken\/MAR-INF\/MANIFEST\.json: not valid JSON/],
  ])('refuses %s in words, and leaves nothing', async (_, line, message) => {
    await makeFolder(folder, {
      'src/handler.py': HANDLER,
      'src/a.txt': '1',
      'more/a.txt': '2',
      'several/a_handler.py': HANDLER,
      'several/b_handler.py': HANDLER,
      'broken/MAR-INF/MANIFEST.json': '{',
    });
    const { exitCode, stdout, stderr } = await archive(line);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^sconce: /);
    expect(stderr).toMatch(message);
    expect((await readdir(folder)).sort()).toEqual(['broken', 'more', 'several', 'src']);
  });

  it('refuses what lint finds, and packs it all the same with --no-lint', async () => {
    await makeFolder(join(folder, 'm'), { 'handler.py': 'def handle(:\n' });
    const { exitCode, stderr } = await archive('create m');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^ {2}error {4}handler\.py:1: SyntaxError: .*\nsconce: Not packed, because of the errors above\. --no-lint/,
    );
    expect(await readdir(folder)).toEqual(['m']);
    expect(await archive('create m --no-lint')).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('leaves nothing after Ctrl-C', async () => {
    await makeFolder(join(folder, 'm'), { 'handler.py': HANDLER });
    const weights = await open(join(folder, 'm', 'w.pt'), 'w');
    await weights.truncate(4_000_000_000);
    await weights.close();
    const child = spawn(process.execPath, [MAIN, 'archive', 'create', 'm'], { cwd: folder, stdio: 'pipe' });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = once(child, 'close');
    await expect
      .poll(async () => (await readdir(folder)).some((name) => name.endsWith('.partial')), { timeout: 20_000 })
      .toBe(true);
    child.kill('SIGINT');
    expect((await ended)[0]).toBe(130);
    expect(stderr).toBe('sconce: stopped by SIGINT; nothing was written\n');
    expect(await readdir(folder)).toEqual(['m']);
  });

  it('needs no more memory for a large file', async () => {
    await makeFolder(join(folder, 'm'), { 'handler.py': HANDLER });
    const weights = await open(join(folder, 'm', 'w.pt'), 'w');
    await weights.truncate(600_000_000);
    await weights.close();
    const tellsMemory = 'process.on("exit",()=>console.error("peak="+process.resourceUsage().maxRSS))';
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tellsMemory)}` };
    const { exitCode, stderr } = await archive('create m --format zip-store', env);
    expect(exitCode).toBe(0);
    const peakKiB = Number(/peak=(\d+)/.exec(stderr)?.[1]);
    expect(peakKiB).toBeGreaterThan(20_000);
    expect(peakKiB).toBeLessThan(130_000);
  });
});

it('packing shows on a terminal how far it is, and takes the line away', async () => {
  await makeFolder(folder, { 'h.py': HANDLER });
  const weights = await open(join(folder, 'w.pt'), 'w');
  await weights.truncate(100_000_000);
  await weights.close();
  const program = [fileURLToPath(new URL('../../dist/torch-model-archiver.js', import.meta.url))];
  const args = ['--model-name', 'm', '--version', '1', '--handler', 'h', '--serialized-file', 'w.pt'];
  const script = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';
  const command = ['-c', script, process.execPath, ...program, ...args];
  const { stdout } = await promisify(execFile)('python3', command, { cwd: folder });
  expect(stdout).toMatch(/m\.mar [█░]{24} +\d+ % {2}\d+\.\d MB of 100\.0 MB {2}\d+ MB\/s/);
  expect(stdout.endsWith('\r\x1b[K')).toBe(true);
});

describe('sconce archive inspect', () => {
  it('prints what an archive holds', async () => {
    await makeMar(join(folder, 'm.mar'), {
      ...manifestFile({ modelName: 'm', handler: 'h.py', requirementsFile: 'r.txt', configFile: 'c.yaml' }),
      'h.py': HANDLER,
      'r.txt': 'numpy\n# no\nscipy==1.0  # yes\n',
      'c.yaml': 'batchSize: 2\nhandler:\n  profile: true\n',
      'net.onnx': identityNetwork([{ name: 'x', type: 'INT64', shape: ['batch', 2] }]),
    });
    const { exitCode, stdout } = await archive('inspect m.mar');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^m\.mar\n {2}zip, 5 files, \S+ \S+ \(\S+ \S+ unpacked\)\n {2}sha256 [0-9a-f]{64}\n/);
    expect(stdout).toMatch(/\nModel\n {2}modelName {9}m\n {2}handler {11}h\.py\n/);
    expect(stdout).toContain('\nPython packages\n  numpy\n  scipy==1.0\n');
    expect(stdout).toContain('\nConfiguration\n  batchSize  2\n  handler    {"profile":true}\n');
    expect(stdout).toContain(
      '\nnet.onnx\n  input  x: INT64 [batch, 2]\n  output x_out: INT64 [batch, 2]\n  opset  13\n',
    );
    expect(stdout).toMatch(/\nFiles \(size, packed, name\)\n[\s\S]* {2}h\.py\n/);
  });

  it('prints what a folder and an .onnx file hold', async () => {
    const network = identityNetwork([{ name: 'x', type: 'FP32', shape: [1, 2] }]);
    await makeFolder(join(folder, 'm'), { 'h.py': HANDLER, 'net.onnx': network });
    await writeFile(join(folder, 'net.onnx'), network);
    expect((await archive('inspect m')).stdout).toMatch(
      /^m\n {2}folder, 2 files, \S+ B\n\nManifest\n {2}there is none\n\nnet\.onnx\n/,
    );
    expect((await archive('inspect net.onnx')).stdout).toMatch(
      /^net\.onnx\n {2}file, 1 file, \S+ B\n {2}sha256 \S+\n\nnet\.onnx\n {2}input {2}x: FP32 \[1, 2\]\n/,
    );
  });

  it('lets no name steer the terminal', async () => {
    await forgeMar(join(folder, 'm.mar'), [{ name: 'a\x1b[2Jb\r.py', content: 'x' }]);
    const { exitCode, stdout } = await archive('inspect m.mar');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('a\\u{1b}[2Jb\\u{d}.py');
    expect(stdout).not.toContain('\x1b');
  });

  it.each([
    ['absent.mar', 'sconce: absent.mar: there is no such file or folder.\n'],
    ['text.mar', "sconce: text.mar: it is neither a zip nor a gzip'd tar archive, nor a folder, nor an .onnx file.\n"],
    ['half.mar', expect.stringMatching(/^sconce: half\.mar: it is damaged \(.*\)\.\n$/)],
  ])('answers for %s in one line', async (name, stderr) => {
    await writeFile(join(folder, 'text.mar'), 'hello');
    await makeMar(join(folder, 'half.mar'), { 'h.py': HANDLER });
    const whole = await readFile(join(folder, 'half.mar'));
    await writeFile(join(folder, 'half.mar'), whole.subarray(0, whole.length - 30));
    expect(await archive(`inspect ${name}`)).toEqual({ exitCode: 1, stdout: '', stderr });
  });
});

describe('sconce archive lint', () => {
  it('exits with 0 for warnings, and with 1 for errors, for people and as JSON', async () => {
    await makeMar(join(folder, 'good.mar'), {
      ...manifestFile({ modelName: 'm', handler: 'h.py' }),
      'h.py': HANDLER,
      '.DS_Store': '',
    });
    await makeMar(join(folder, 'bad.mar'), { ...manifestFile({ modelName: 'm', handler: 'hh.py' }), 'h.py': 'def (' });
    expect(await archive('lint good.mar')).toEqual({
      exitCode: 0,
      stdout:
        'good.mar: 0 errors, 1 warning\n  warning  ".DS_Store" is left by a file manager. Leave out what the model does not need.\n',
      stderr: '',
    });
    const bad = await archive('lint good.mar bad.mar');
    expect(bad.exitCode).toBe(1);
    expect(bad.stdout).toContain('bad.mar: 2 errors, 0 warnings\n');
    const json = await archive('lint bad.mar --json');
    expect(json.exitCode).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual([
      {
        path: 'bad.mar',
        findings: [
          { severity: 'error', file: 'MAR-INF/MANIFEST.json', message: expect.stringContaining('Is it "h.py"?') },
          { severity: 'error', file: 'h.py', line: 1, message: expect.stringContaining('SyntaxError') },
        ],
      },
    ]);
  });

  it('reports an archive that cannot be read as an error', async () => {
    await writeFile(join(folder, 'text.mar'), 'hello');
    expect(await archive('lint text.mar absent.mar')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringMatching(/^text\.mar: 1 error, 0 warnings\n {2}error .*\nabsent\.mar: 1 error/),
    });
  });

  it('checks Python with the interpreter that is named', async () => {
    await makeMar(join(folder, 'm.mar'), { ...manifestFile({ modelName: 'm', handler: 'h.py' }), 'h.py': 'def (' });
    const { exitCode, stdout } = await archive('lint m.mar --python /absent/python');
    expect(exitCode).toBe(0);
    expect(stdout).toContain('note     The Python files were not checked: /absent/python cannot be run');
  });
});

describe('a server', () => {
  let store: string;
  let server: TestServer;

  beforeAll(async () => {
    store = await mkdtemp(join(tmpdir(), 'sconce-store-'));
    server = await startServer({ modelStore: store });
  });

  afterAll(async () => {
    await server.stop();
    await rm(store, { recursive: true, force: true });
  });

  it.each([
    ['default', 'm1.mar'],
    ['zip-store', 'm2.mar'],
    ['tgz', 'm3.tar.gz'],
    ['no-archive', 'm4'],
  ])('loads what we pack (%s)', async (format, url) => {
    await makeFolder(folder, {
      'h.py': 'import words\n\ndef go(data, context):\n    return [words.TEXT] * len(data or [])\n',
      'more/words.py': 'TEXT = "hello"\n',
    });
    const name = url.split('.')[0] ?? '';
    const flags = `--model-name ${name} --version 1.0 --handler h:go --extra-files more --archive-format ${format}`;
    const packed = await runCommand('torch-model-archiver', [...flags.split(' '), '--export-path', store], {
      cwd: folder,
    });
    expect(packed).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(await register(server, url)).toMatchObject({ status: 200 });
    expect(await ask(`${server.inference}/predictions/${name}`, { method: 'POST', body: 'x' })).toMatchObject({
      status: 200,
      text: 'hello',
    });
  });
});

it('every folder of examples passes lint', async () => {
  const examples = fileURLToPath(new URL('../../examples', import.meta.url));
  const manifests = Object.keys(await filesBelow(examples)).filter((path) => path.endsWith('MAR-INF/MANIFEST.json'));
  const folders = manifests.map((path) => join(examples, dirname(dirname(path))));
  expect(folders.length).toBeGreaterThan(2);
  const { exitCode, stdout } = await runCommand('sconce', ['archive', 'lint', ...folders], { cwd: folder });
  expect(stdout.split('\n').filter((line) => line.startsWith('  '))).toEqual([]);
  expect(exitCode).toBe(0);
});
