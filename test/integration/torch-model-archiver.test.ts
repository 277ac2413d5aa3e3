// The command torch-model-archiver, run as scripts run it: each flag, each error, and what is in the archive afterwards.
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesBelow, makeFolder } from '../support/archive-forge.ts';
import { type RunResult, runCommand } from '../support/run-command.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-archiver-'));
  await makeFolder(folder, {
    'h.py': 'def handle(data, context):\n    return data\n',
    'dir/deep.py': 'def go(data, context):\n    return data\n',
    'net.py': 'class Net:\n    pass\n',
    'weights.pt': 'weights',
    'reqs.txt': 'numpy\n',
    'conf/model.yaml': 'batchSize: 2\n',
    'extra/a.txt': 'a',
    'extra/.dotfile': 'dot',
    'extra/sub/b.txt': 'b',
    'extra/.git/config': 'git',
    'extra/__pycache__/x.pyc': 'cache',
    'extra/__MACOSX/y': 'mac',
    'labels1.json': '1',
    'labels2.json': '2',
  });
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (line: string, env: Record<string, string> = {}): Promise<RunResult> =>
  runCommand('torch-model-archiver', line.split(' '), { cwd: folder, env });

const BASE = '--model-name m --version 1.0';
const SILENT: RunResult = { exitCode: 0, stdout: '', stderr: '' };

/** Entries of a zip in their order, as Python reads them. */
async function zipEntries(name = 'm.mar'): Promise<Record<string, string>> {
  const script =
    'import sys, json, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(json.dumps({i.filename: z.read(i).decode() for i in z.infolist()}))';
  const { stdout } = await promisify(execFile)('python3', ['-c', script, join(folder, name)]);
  return JSON.parse(stdout) as Record<string, string>;
}

async function manifestOf(name = 'm.mar'): Promise<Record<string, unknown>> {
  return JSON.parse((await zipEntries(name))['MAR-INF/MANIFEST.json'] ?? '') as Record<string, unknown>;
}

describe('the archive', () => {
  it('has the files first and the manifest last, and the command is silent', async () => {
    const flags = '--handler h.py --serialized-file weights.pt --model-file net.py --extra-files extra,labels*.json';
    expect(await run(`${BASE} ${flags} -r reqs.txt -c conf/model.yaml`)).toEqual(SILENT);
    expect(Object.keys(await zipEntries())).toEqual([
      'net.py',
      'weights.pt',
      'h.py',
      '.dotfile',
      'a.txt',
      'sub/b.txt',
      'labels1.json',
      'labels2.json',
      'reqs.txt',
      'model.yaml',
      'MAR-INF/MANIFEST.json',
    ]);
    const text = (await zipEntries())['MAR-INF/MANIFEST.json'] ?? '';
    const { createdOn, archiverVersion } = JSON.parse(text) as Record<string, string>;
    expect(createdOn).toMatch(/^\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d$/);
    expect(archiverVersion).toMatch(/^sconce-\d+\.\d+\.\d+/);
    const model = {
      modelName: 'm',
      serializedFile: 'weights.pt',
      handler: 'h.py',
      modelFile: 'net.py',
      modelVersion: '1.0',
      requirementsFile: 'reqs.txt',
      configFile: 'model.yaml',
    };
    expect(text).toBe(JSON.stringify({ createdOn, runtime: 'python', model, archiverVersion }, null, 2));
  });

  it('names in its manifest only what was given', async () => {
    expect(await run('--model-name m --handler image_classifier -v=')).toEqual(SILENT);
    const { model } = await manifestOf();
    expect(model).toEqual({ modelName: 'm', handler: 'image_classifier' });
    expect(Object.keys(await zipEntries())).toEqual(['MAR-INF/MANIFEST.json']);
  });

  it('is deflated by default, and stored with zip-store', async () => {
    await writeFile(join(folder, 'weights.pt'), 'w'.repeat(10_000));
    const flags = `${BASE} --handler h --serialized-file weights.pt`;
    expect(await run(flags)).toEqual(SILENT);
    const deflated = (await readFile(join(folder, 'm.mar'))).length;
    await run(`${flags} -f --archive-format zip-store`);
    expect(deflated).toBeLessThan(1500);
    expect((await readFile(join(folder, 'm.mar'))).length).toBeGreaterThan(10_000);
    expect((await zipEntries())['weights.pt']).toHaveLength(10_000);
  });

  it('is a tar.gz below a folder of its name with tgz', async () => {
    expect(await run(`${BASE} --handler h --extra-files extra --archive-format tgz`)).toEqual(SILENT);
    const { stdout } = await promisify(execFile)('tar', ['tzf', join(folder, 'm.tar.gz')]);
    expect(stdout.trim().split('\n')).toEqual([
      'm/h.py',
      'm/.dotfile',
      'm/a.txt',
      'm/sub/b.txt',
      'm/MAR-INF/MANIFEST.json',
    ]);
  });

  it('is a folder with no-archive', async () => {
    expect(await run(`${BASE} --handler h --extra-files extra --archive-format no-archive`)).toEqual(SILENT);
    expect(Object.keys(await filesBelow(join(folder, 'm'))).sort()).toEqual([
      '.dotfile',
      'MAR-INF/MANIFEST.json',
      'a.txt',
      'h.py',
      'sub/b.txt',
    ]);
  });

  it('is the same for the same SOURCE_DATE_EPOCH, in any time zone', async () => {
    const flags = `${BASE} --handler h --extra-files extra -f`;
    await run(flags, { SOURCE_DATE_EPOCH: '1700000000', TZ: 'Asia/Tokyo' });
    const first = await readFile(join(folder, 'm.mar'));
    expect((await manifestOf())['createdOn']).toBe('14/11/2023 22:13:20');
    await run(flags, { SOURCE_DATE_EPOCH: '1700000000', TZ: 'America/Lima' });
    expect(first.equals(await readFile(join(folder, 'm.mar')))).toBe(true);
    expect(await run(flags, { SOURCE_DATE_EPOCH: 'today' })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('SOURCE_DATE_EPOCH: expected whole seconds since 1970, found "today"'),
    });
  });

  it('holds what a link leads to', async () => {
    await symlink('weights.pt', join(folder, 'link.pt'));
    expect(await run(`${BASE} --handler h --serialized-file link.pt`)).toEqual(SILENT);
    expect((await zipEntries())['link.pt']).toBe('weights');
  });

  it('is not part of itself', async () => {
    await run(`${BASE} --handler h`);
    expect(await run(`${BASE} --handler h --extra-files . -f`)).toMatchObject({ exitCode: 0 });
    expect(Object.keys(await zipEntries())).not.toContain('m.mar');
  });
});

describe('--handler', () => {
  it.each([
    ['h', 'h.py', 'h'],
    ['h.py', 'h.py', 'h.py'],
    ['h:handle', 'h.py', 'h:handle'],
    ['dir/deep', 'deep.py', 'deep'],
    ['dir/deep.py', 'deep.py', 'deep.py'],
    ['dir/deep:go', 'deep.py', 'deep:go'],
  ])('%s packs %s and is called %s', async (given, file, name) => {
    expect(await run(`${BASE} --handler ${given}`)).toEqual(SILENT);
    expect(Object.keys(await zipEntries())).toEqual([file, 'MAR-INF/MANIFEST.json']);
    expect((await manifestOf())['model']).toMatchObject({ handler: name });
  });

  it.each([
    'base_handler',
    'text_classifier',
    'image_classifier',
    'object_detector',
    'image_segmenter',
    'dali_image_classifier',
    'vllm_handler',
    'trt_llm_handler',
  ])('%s is built in', async (name) => {
    expect(await run(`${BASE} --handler ${name}`)).toEqual(SILENT);
    expect(Object.keys(await zipEntries())).toEqual(['MAR-INF/MANIFEST.json']);
  });

  it('h.py:handle is not found, as ever, and is told how to write it', async () => {
    const { exitCode, stderr } = await run(`${BASE} --handler h.py:handle`);
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      "ERROR - FileNotFoundError: [Errno 2] No such file or directory: 'h.py:handle' (--handler). Name a function without the ending: h:handle\n",
    );
  });

  it('is a library for the runtime LSP, or built in there', async () => {
    await writeFile(join(folder, 'cpp.so'), 'elf');
    expect(await run(`${BASE} --runtime LSP --handler cpp:Handler`)).toEqual(SILENT);
    expect(Object.keys(await zipEntries())).toContain('cpp.so');
    expect(await manifestOf()).toMatchObject({ runtime: 'LSP', model: { handler: 'cpp:Handler' } });
    for (const name of ['BaseHandler', 'TorchScriptHandler']) {
      expect(await run(`${BASE} --runtime LSP --handler ${name} -f`)).toMatchObject({ exitCode: 0 });
      expect(Object.keys(await zipEntries())).toEqual(['MAR-INF/MANIFEST.json']);
    }
    expect(await run(`${BASE} --runtime LSP --handler image_classifier -f`)).toMatchObject({ exitCode: 1 });
  });
});

describe('--runtime, --export-path and --force', () => {
  it('writes the runtime as it was given', async () => {
    await run(`${BASE} --handler h --runtime python3`);
    expect((await manifestOf())['runtime']).toBe('python3');
  });

  it('makes an export path that is missing, with a warning', async () => {
    expect(await run(`${BASE} --handler h --export-path new/store`)).toEqual({
      ...SILENT,
      stderr: 'WARNING - Export path new/store does not exist. It is created.\n',
    });
    expect(Object.keys(await zipEntries('new/store/m.mar'))).toContain('h.py');
  });

  it('refuses an export path that is a file', async () => {
    expect(await run(`${BASE} --handler h --export-path h.py`)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'ERROR - Given export-path h.py is not a directory. Point to a valid export-path directory.\n',
    });
  });

  it.each([
    ['default', 'm.mar'],
    ['zip-store', 'm.mar'],
    ['tgz', 'm.tar.gz'],
    ['no-archive', 'm'],
  ])('refuses to replace an archive (%s), and does with --force', async (format, name) => {
    const flags = `${BASE} --handler h --export-path ${folder} --archive-format ${format}`;
    await run(flags);
    expect(await run(flags)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `ERROR - ${folder}/${name} already exists.\nPlease specify --force/-f option to overwrite the model archive output file.\nSee -h/--help for more details.\n`,
    });
    expect(await run(`${flags} --force`)).toEqual({
      ...SILENT,
      stderr: `WARNING - Overwriting ${folder}/${name} ...\n`,
    });
    expect((await readdir(folder)).filter((each) => each.startsWith('.sconce'))).toEqual([]);
  });

  it('never replaces a folder that is not a packed model, or that it packs from', async () => {
    await makeFolder(join(folder, 'm'), { 'mine.txt': 'mine' });
    const flags = `${BASE} --handler h --archive-format no-archive -f`;
    expect(await run(flags)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('so it may hold more than a packed model'),
    });
    await makeFolder(join(folder, 'm'), { 'MAR-INF/MANIFEST.json': '{"model": {}}' });
    expect(await run(`${flags} --extra-files m/mine.txt`)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('mine.txt is packed from it'),
    });
    expect(await readFile(join(folder, 'm', 'mine.txt'), 'utf8')).toBe('mine');
  });
});

describe('--extra-files', () => {
  it.each([
    ['labels?.json', ['labels1.json', 'labels2.json']],
    ['labels[12].json', ['labels1.json', 'labels2.json']],
    ['*/deep.py', ['deep.py']],
    ['extra/*.txt,net.py', ['a.txt', 'net.py']],
    ['ext*', ['.dotfile', 'a.txt', 'sub/b.txt']],
  ])('%s', async (value, names) => {
    expect(await run(`${BASE} --handler image_classifier --extra-files ${value}`)).toEqual(SILENT);
    expect(Object.keys(await zipEntries())).toEqual([...names, 'MAR-INF/MANIFEST.json']);
  });

  it('warns of a pattern that fits nothing', async () => {
    expect(await run(`${BASE} --handler h --extra-files *.absent`)).toEqual({
      ...SILENT,
      stderr: 'WARNING - Given wildcard pattern did not match any file: *.absent\n',
    });
  });

  it('refuses a file that is missing, and one that is neither file nor folder', async () => {
    expect(await run(`${BASE} --handler h --extra-files net.py,absent.txt`)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'ERROR - File does not exist: absent.txt\n',
    });
    await promisify(execFile)('mkfifo', [join(folder, 'pipe')]);
    expect(await run(`${BASE} --handler h --extra-files pipe`)).toMatchObject({
      exitCode: 1,
      stderr: 'ERROR - Invalid extra file given pipe\n',
    });
    expect(await readdir(folder)).not.toContain('m.mar');
  });

  it('keeps the later one of two files of a name, and warns', async () => {
    await makeFolder(folder, { 'other/net.py': 'second' });
    const { exitCode, stderr } = await run(`${BASE} --handler h --model-file net.py --extra-files other/net.py`);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(/^WARNING - ".*\/net\.py" and ".*\/other\/net\.py" are both called "net\.py"/);
    expect((await zipEntries())['net.py']).toBe('second');
  });
});

describe('errors', () => {
  it.each(['my model', '-m', 'ü', '.hidden', 'a/b'])('refuses the model name %j', async (name) => {
    const args = [`--model-name=${name}`, '--version', '1', '--handler', 'h'];
    expect(await runCommand('torch-model-archiver', args, { cwd: folder })).toEqual({
      exitCode: 1,
      stdout: '',
      stderr:
        'ERROR - Model name contains special characters.\nThe allowed regular expression filter for model name is: ^[A-Za-z0-9][A-Za-z0-9_\\-.]*$\n',
    });
  });

  it.each([
    ['--handler absent.py', 'absent.py', '--handler'],
    ['--handler absent', 'absent.py', '--handler'],
    ['--handler h --model-file absent.py', 'absent.py', '--model-file'],
    ['--handler h --serialized-file absent.pt', 'absent.pt', '--serialized-file'],
    ['--handler h --requirements-file absent.txt', 'absent.txt', '--requirements-file'],
    ['--handler h --config-file absent.yaml', 'absent.yaml', '--config-file'],
  ])('%s is not found', async (flags, file, flag) => {
    expect(await run(`${BASE} ${flags}`)).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: `ERROR - FileNotFoundError: [Errno 2] No such file or directory: '${file}' (${flag}).\n`,
    });
    expect(await readdir(folder)).not.toContain('m.mar');
  });

  it('prints usage and exits with 2 for flags that are wrong', async () => {
    const { exitCode, stdout, stderr } = await run('--model-name m --runtime ruby');
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^usage: torch-model-archiver /);
    expect(stderr).toContain(
      "\ntorch-model-archiver: error: argument --runtime: invalid choice: 'ruby' (choose from 'python', 'python3', 'LSP')\n",
    );
    expect(await run('--model-name m')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('the following arguments are required: --handler, -v/--version'),
    });
  });

  it.each(['-h', '--help'])('prints its help for %s', async (flag) => {
    const { exitCode, stdout, stderr } = await run(flag);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^usage: torch-model-archiver /);
  });

  it('tells a file that cannot be read, and leaves nothing', async () => {
    const isRoot = process.getuid?.() === 0;
    await chmod(join(folder, 'weights.pt'), 0);
    const { exitCode, stderr } = await run(`${BASE} --handler h --serialized-file weights.pt`);
    if (isRoot) return expect(exitCode).toBe(0);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Failed to save the model-archive to model-path');
    expect(await readdir(folder)).not.toContain('m.mar');
  });

  it('tells a disk that cannot be written to', async () => {
    const args = [...BASE.split(' '), '--handler', 'h', '--export-path', '/proc/self'];
    const { exitCode, stderr } = await runCommand('torch-model-archiver', args, { cwd: folder });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /^ERROR - Failed to save the model-archive to model-path "\/proc\/self\/m\.mar"\. Check the file permissions and retry\.\n/,
    );
  });
});
