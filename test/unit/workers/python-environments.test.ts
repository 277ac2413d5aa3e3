import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ServingError } from '../../../src/core/errors.ts';
import type { PythonEnvironment } from '../../../src/core/model-spec.ts';
import type { Clock } from '../../../src/core/ports.ts';
import { OrphanGuard } from '../../../src/workers/orphan-guard.ts';
import { type EnvironmentsOptions, PythonEnvironments } from '../../../src/workers/python-environments.ts';
import { type SilentIndex, silentIndex } from '../../support/silent-index.ts';
import { rejectionOf } from '../../support/thrown.ts';
import { makeWheel } from '../../support/wheels.ts';

const run = promisify(execFile);
const clock: Clock = {
  now: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

// pip alone takes seconds on a machine that has much to do.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let cache: string;
let wheels: string;
let lines: string[];
const never = new AbortController().signal;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sconce-environments-'));
  cache = join(folder, 'environments');
  wheels = join(folder, 'wheels');
  lines = [];
  await makeWheel(wheels, 'toolbox', '1.0');
  await makeWheel(wheels, 'toolbox', '2.0', { requires: ['hammer'] });
  await makeWheel(wheels, 'hammer', '5.0');
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

function environments(over: Partial<EnvironmentsOptions> = {}): PythonEnvironments {
  return new PythonEnvironments({
    folder: cache,
    builder: { name: 'this', isGone: async (name) => name === 'gone' },
    python: 'python3',
    wheels,
    timeoutSec: 120,
    env: process.env,
    clock,
    orphanGuard: new OrphanGuard(folder),
    log: (_level, message) => lines.push(message),
    ...over,
  });
}

/** A model folder with these requirements. */
async function model(name: string, requirements: string | undefined, useVenv = false) {
  const modelDir = join(folder, 'models', name);
  await mkdir(modelDir, { recursive: true });
  if (requirements !== undefined) await writeFile(join(modelDir, 'requirements.txt'), requirements);
  const requirementsFile = requirements === undefined ? undefined : 'requirements.txt';
  return { name, version: '1.0', modelDir, requirementsFile, useVenv };
}

/** What Python prints that has this environment. */
async function python({ python: command = 'python3', sitePackages }: PythonEnvironment, code: string): Promise<string> {
  const env = sitePackages === undefined ? process.env : { ...process.env, PYTHONPATH: sitePackages };
  return (await run(command, ['-c', code], { env })).stdout.trim();
}

const VERSION = 'import toolbox; print(toolbox.VERSION)';
const installs = () => lines.filter((line) => line.startsWith('Successfully installed'));
const left = async () => (await readdir(cache).catch(() => [])).sort();

describe('the environment of a Python model', () => {
  it('is a folder with the packages of its requirements and what these need; two models may have different versions', async () => {
    const all = environments();
    const [one, two] = await Promise.all([
      all.prepare(await model('one', 'toolbox==1.0\n'), never),
      all.prepare(await model('two', 'toolbox==2.0\n'), never),
    ]);
    expect(await python(one, VERSION)).toBe('1.0');
    expect(await python(two, `${VERSION}; import hammer; print(hammer.VERSION)`)).toBe('2.0\n5.0');
    expect(one.python).toBeUndefined();
    expect(lines).toContainEqual(expect.stringContaining('toolbox-1.0-py3-none-any.whl'));
  });

  it('is a virtual environment that sees the packages of its parent, when the model asks for one', async () => {
    const { python: command, sitePackages } = await environments().prepare(
      await model('m', 'toolbox==1.0\n', true),
      never,
    );
    expect(sitePackages).toBeUndefined();
    const environment = { python: command, sitePackages };
    expect(await python(environment, VERSION)).toBe('1.0');
    expect(await python(environment, 'import sys, pip; print(sys.prefix != sys.base_prefix)')).toBe('True');
    expect(await python(environment, 'import sys; print(sys.prefix)')).toBe(join(command ?? '', '..', '..'));
  });

  it('is a virtual environment also without requirements', async () => {
    const environment = await environments().prepare(await model('m', undefined, true), never);
    expect(await python(environment, 'import sys; print(sys.prefix != sys.base_prefix)')).toBe('True');
  });

  it('is built once, however many ask for it, and is there for the next start', async () => {
    const [first, second] = [environments(), environments({ builder: { name: 'other', isGone: async () => false } })];
    const models = await Promise.all(['a', 'b', 'c'].map((name) => model(name, 'toolbox==1.0\n')));
    const asked = [first, second].flatMap((server) => models.map((one) => server.prepare(one, never)));
    const folders = new Set((await Promise.all(asked)).map(({ sitePackages }) => sitePackages));
    expect(folders.size).toBe(1);
    expect(installs()).toHaveLength(1);
    expect(lines).toContain('another server builds the same environment; waiting for it');
    const later = await environments({ wheels: undefined }).prepare(await model('d', 'toolbox==1.0\n'), never);
    expect(folders.has(later.sitePackages)).toBe(true);
    expect(installs()).toHaveLength(1);
  });

  it('is built anew when its requirements change or its folder is gone', async () => {
    const all = environments();
    const first = await all.prepare(await model('m', 'toolbox==1.0\n'), never);
    const second = await all.prepare(await model('m', 'toolbox==2.0\n'), never);
    expect(second.sitePackages).not.toBe(first.sitePackages);
    await rm(join(first.sitePackages ?? '', '..'), { recursive: true });
    const again = await all.prepare(await model('m', 'toolbox==1.0\n'), never);
    expect(await python(again, VERSION)).toBe('1.0');
  });

  it('keeps what pip printed beside its packages', async () => {
    const { sitePackages } = await environments().prepare(await model('m', 'toolbox==1.0\n'), never);
    const log = await readFile(join(sitePackages ?? '', '..', 'install.log'), 'utf8');
    expect(log).toContain('Successfully installed toolbox-1.0');
    expect(await readdir(join(sitePackages ?? '', '..'))).not.toContain('tmp');
  });
});

describe('an environment that cannot be built', () => {
  it("fails with pip's last lines and what to do, leaves nothing, and can be tried again", async () => {
    const all = environments();
    const error = await rejectionOf(all.prepare(await model('m', 'ladder==3.0\n'), never));
    expect(error).toMatchObject({ code: 'ENVIRONMENT_FAILED', details: { model: 'm', value: 'pip' } });
    expect(error.message).toContain('The packages of requirements.txt could not be installed (exit code 1).');
    expect(error.message).toContain('No matching distribution found for ladder==3.0');
    expect(error.message).toContain('python_wheels');
    expect(await left()).toEqual([]);
    await makeWheel(wheels, 'ladder', '3.0');
    const { sitePackages } = await all.prepare(await model('m', 'ladder==3.0\n'), never);
    expect(await readdir(sitePackages ?? '')).toContain('ladder');
  });

  it('says which file is missing', async () => {
    const spec = { ...(await model('m', undefined)), requirementsFile: 'requirements.txt' };
    const error = await rejectionOf(environments().prepare(spec, never));
    expect(error).toMatchObject({
      code: 'ENVIRONMENT_FAILED',
      message:
        'MANIFEST.json: model.requirementsFile: requirements.txt is not in the archive. Pack it into the archive, or correct the name.',
    });
  });

  it('says what to install when the interpreter has no pip', async () => {
    await run('python3', ['-m', 'venv', '--without-pip', join(folder, 'bare')]);
    const all = environments({ python: join(folder, 'bare', 'bin', 'python') });
    const error = await rejectionOf(all.prepare(await model('m', 'toolbox\n'), never));
    expect(error.message).toContain('python3-pip');
  });

  it('says which setting is wrong when there is no interpreter', async () => {
    const all = environments({ python: join(folder, 'nothing') });
    const error = await rejectionOf(all.prepare(await model('m', 'toolbox\n'), never));
    expect(error).toMatchObject({ code: 'ENVIRONMENT_FAILED', message: expect.stringContaining('The setting python') });
  });
});

describe('a server that was killed while it built', () => {
  it('does not keep others from building', async () => {
    const request = await model('m', 'toolbox==1.0\n');
    const { sitePackages = '' } = await environments().prepare(request, never);
    const link = join(cache, basename(dirname(sitePackages)).split('.')[0] ?? '');
    await rm(link);
    await symlink('gone', `${link}.lock`);
    expect(await python(await environments().prepare(request, never), VERSION)).toBe('1.0');
    expect(installs()).toHaveLength(2);
    expect((await left()).filter((name) => name.endsWith('.lock'))).toEqual([]);
  });
});

describe('a build that takes too long', () => {
  let index: SilentIndex;
  let env: NodeJS.ProcessEnv;
  beforeEach(async () => {
    index = await silentIndex();
    env = { ...process.env, ...index.env };
  });
  afterEach(() => index.close());

  it('is ended after environment_timeout, and leaves nothing', async () => {
    const all = environments({ wheels: undefined, env, timeoutSec: 1.5 });
    const error = await rejectionOf(all.prepare(await model('m', 'toolbox\n'), never));
    expect(error).toMatchObject({
      code: 'ENVIRONMENT_FAILED',
      message: expect.stringContaining('environment_timeout'),
    });
    expect(await left()).toEqual([]);
  });

  it('is ended when nobody waits for it any more, and not before; others are built meanwhile', async () => {
    const all = environments({ wheels: undefined, env });
    const [first, second] = [new AbortController(), new AbortController()];
    const slow = await model('m', 'toolbox\n');
    const waiting = [first, second].map(({ signal }) => rejectionOf(all.prepare(slow, signal)));
    await index.asked;
    first.abort(new ServingError('CANCELLED', 'given up'));
    expect((await waiting[0])?.message).toBe('given up');
    expect((await left()).filter((name) => name.endsWith('.lock'))).toHaveLength(1);
    const other = await environments({ env }).prepare(await model('other', 'toolbox==1.0\n'), never);
    expect(await python(other, VERSION)).toBe('1.0');
    second.abort(new ServingError('CANCELLED', 'given up, too'));
    expect((await waiting[1])?.message).toBe('given up, too');
    expect((await left()).filter((name) => name.endsWith('.lock'))).toEqual([]);
    expect(await left()).toHaveLength(2);
  });
});

describe('what is left over', () => {
  const DIGEST = '0123456789abcdef0123456789abcdef';

  it('goes when the server that built it is gone, and when nobody has used it for a month', async () => {
    const { sitePackages } = await environments().prepare(await model('m', 'toolbox==1.0\n'), never);
    const used = await environments().prepare(await model('used', 'toolbox==2.0\n'), never);
    for (const [name, builder] of [
      [`${DIGEST}.1`, 'gone'],
      [`${DIGEST}.2`, 'this'],
    ] as const) {
      await mkdir(join(cache, name));
      await writeFile(join(cache, name, 'builder'), builder);
    }
    await symlink('gone', join(cache, `${DIGEST}.lock`));
    const monthAgo = Date.now() / 1000 - 31 * 24 * 60 * 60;
    await utimes(join(sitePackages ?? '', '..', 'builder'), monthAgo, monthAgo);
    environments();
    await expect.poll(() => left()).not.toContain(`${DIGEST}.1`);
    await expect
      .poll(() =>
        stat(sitePackages ?? '').then(
          () => true,
          () => false,
        ),
      )
      .toBe(false);
    await expect.poll(() => left()).not.toContain(`${DIGEST}.lock`);
    expect(await left()).toContain(`${DIGEST}.2`);
    expect(await python(used, VERSION)).toBe('2.0');
    const again = await environments().prepare(await model('m', 'toolbox==1.0\n'), never);
    expect(await python(again, VERSION)).toBe('1.0');
  });
});
