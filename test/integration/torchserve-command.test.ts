// The command `torchserve` as scripts use it: starting, stopping, what it prints, its exit status, its pid file. What a user does with the
// server is in torchserve-tour.test.ts, and what may be set for it in torchserve-settings.test.ts.
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFaultStore } from '../support/fault-model.ts';
import { freePort } from '../support/free-port.ts';
import { isAlive, untilGone } from '../support/processes.ts';
import { ask } from '../support/serving-client.ts';
import { answeringHandler, FREE_PORTS, TorchserveHome } from '../support/torchserve-home.ts';

let home: TorchserveHome;

beforeEach(async () => {
  home = await TorchserveHome.create();
});

afterEach(async () => {
  await home?.close();
});

describe('a start in the background', () => {
  test('returns when the server answers, and leaves it a session, a log and a pid file of its own', async () => {
    const server = await home.start(['--model-store', 'model_store', '--ncs', '--disable-token-auth']);
    expect((await ask(`${server.inference}/ping`)).status).toBe(200);
    expect(server.stderr).not.toMatch(/tokens|start/);
    expect(await readFile(home.pidFile, 'utf8')).toBe(`${server.pid}\n`);
    const stat = await readFile(`/proc/${server.pid}/stat`, 'utf8');
    const [, , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    expect([group, session]).toEqual([String(server.pid), String(server.pid)]);
    const log = await home.read('logs/ts_log.log');
    expect(log).toMatch(/^Model server started\.$/m);
    expect(log).toContain(`"inference":"${server.inference}"`);
    expect(await readdir(join(home.folder, 'logs'))).toEqual(['ts_log.log']);
  });

  test('is refused while a server runs, which goes on', async () => {
    const server = await home.start(['--model-store', 'model_store']);
    const second = await home.run(['--start', '--model-store', 'model_store']);
    expect(second).toMatchObject({
      exitCode: 1,
      stdout: 'TorchServe is already running, please use torchserve --stop to stop TorchServe.\n',
    });
    expect((await ask(`${server.inference}/ping`)).status).toBe(200);
    expect(await readFile(home.pidFile, 'utf8')).toBe(`${server.pid}\n`);
  });

  test('takes the place of a server that was killed', async () => {
    const killed = await home.start(['--model-store', 'model_store']);
    process.kill(killed.pid, 'SIGKILL');
    await untilGone(killed.pid);
    const next = await home.start(['--model-store', 'model_store']);
    expect(next.stdout).toMatch(/^Removing orphan pid file\.\nModel server started\.\n/);
    expect(await readFile(home.pidFile, 'utf8')).toBe(`${next.pid}\n`);
  });

  test('does not take any process of that number for a server', async () => {
    await writeFile(home.pidFile, String(process.pid));
    expect((await home.run(['--stop'])).stdout).toBe('TorchServe already stopped.\n');
    await writeFile(home.pidFile, String(process.pid));
    const server = await home.start(['--model-store', 'model_store']);
    expect(server.stdout).toMatch(/^Removing orphan pid file\.\n/);
  });

  test('that fails shows the end of the log and leaves nothing', async () => {
    const occupant = createTcpServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as AddressInfo;
    await home.write('config.properties', `${FREE_PORTS}management_address=http://127.0.0.1:${port}\n`);
    // What an earlier start has written is not shown.
    await home.shell('mkdir logs; echo earlier > logs/ts_log.log');
    const result = await home.run(['--start', '--model-store', 'model_store', '--dt', '--models', 'gone.mar']);
    occupant.close();
    expect(result.exitCode).toBe(1);
    expect(result.stdout).toBe('');
    expect(result.stderr).toMatch(
      /^torchserve: the server did not start \(exit code 1\); the end of \S+ts_log\.log:$/m,
    );
    expect(result.stderr).toMatch(/^ {2}WARN registration failed: Model not found at: gone\.mar$/m);
    expect(result.stderr).toMatch(
      new RegExp(`^ {2}torchserve: 127\\.0\\.0\\.1:${port} is in use by another process`, 'm'),
    );
    expect(result.stderr).not.toContain('earlier');
    expect(await home.read('logs/ts_log.log')).toMatch(/^earlier\n/);
    expect(await readdir(home.tmp)).toEqual([]);
  });

  test('that is given up gives the server up', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const asked = once(silent, 'request');
    const { port } = silent.address() as AddressInfo;
    const models = ['--models', `slow=http://127.0.0.1:${port}/slow.mar`];
    const launcher = home.spawn(['--start', '--model-store', 'model_store', ...models]);
    await asked;
    const pid = Number(await readFile(home.pidFile, 'utf8'));
    expect(await isAlive(pid)).toBe(true);
    const ended = once(launcher, 'exit');
    launcher.kill('SIGINT');
    expect(await ended).toEqual([130, null]);
    expect(await isAlive(pid)).toBe(false);
    expect(await readdir(home.tmp)).toEqual([]);
    silent.closeAllConnections();
    silent.close();
  });

  test('tells which models of the list are not there', async () => {
    await home.archive('here', answeringHandler('yes'));
    const server = await home.start(['--model-store', 'model_store', '--models', 'here.mar', 'gone.mar']);
    expect(server.stderr).toContain('torchserve: load_models: gone.mar is not loaded: Model not found at: gone.mar\n');
    expect((await ask(`${server.inference}/predictions/here`)).text).toBe('yes');
  });
});

describe('--stop', () => {
  test('returns at once, and what the server had accepted is answered', async () => {
    const store = await createFaultStore();
    const model = await store.add('slow');
    const server = await home.start(['--model-store', store.folder, '--models', 'slow']);
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } };
    const body = JSON.stringify({ do: 'wait', gate: 'go', value: 'kept' });
    const answer = ask(`${server.inference}/predictions/slow`, { ...init, body });
    await model.reached('batch');
    expect(await home.run(['--stop'])).toMatchObject({ exitCode: 0, stdout: 'TorchServe has stopped.\n', stderr: '' });
    expect(await isAlive(server.pid)).toBe(true);
    // The ports and the pid file are free already.
    const next = await home.start(['--model-store', store.folder]);
    await model.open('go');
    expect((await answer).status).toBe(200);
    await untilGone(server.pid);
    expect(await readFile(home.pidFile, 'utf8')).toBe(`${next.pid}\n`);
    await store.remove();
  });

  test('waits with --foreground, and leaves nothing', async () => {
    const server = await home.start(['--model-store', 'model_store']);
    const result = await home.run(['--stop', '--foreground']);
    expect(result).toMatchObject({ exitCode: 0, stdout: 'TorchServe has stopped.\n' });
    expect(await isAlive(server.pid)).toBe(false);
    expect(await readdir(home.tmp)).toEqual([]);
    expect(await home.read('logs/ts_log.log')).toMatch(/"msg":"stopped"\}\n$/);
  });

  test('says what is the case when there is nothing to stop', async () => {
    const nothing = { exitCode: 0, stdout: 'TorchServe is not currently running.\n', stderr: '' };
    expect(await home.run(['--stop'])).toEqual(nothing);
    const server = await home.start(['--model-store', 'model_store']);
    process.kill(server.pid, 'SIGKILL');
    await untilGone(server.pid);
    expect(await home.run(['--stop'])).toEqual({ ...nothing, stdout: 'TorchServe already stopped.\n' });
    expect(await home.run(['--stop'])).toEqual(nothing);
  });
});

describe('in the foreground', () => {
  test('prints the line that scripts wait for on a line of its own, and ends well on a signal', async () => {
    const server = await home.serve(['--start', '--model-store', 'model_store']);
    expect(await readFile(home.pidFile, 'utf8')).toBe(`${server.process.pid}\n`);
    expect((await home.run(['--start', '--model-store', 'model_store'])).exitCode).toBe(1);
    server.process.kill('SIGTERM');
    expect(await server.ended).toBe(0);
    expect(await readdir(home.tmp)).toEqual([]);
    // The log is what stdout has; no file is written.
    await expect(readdir(join(home.folder, 'logs'))).rejects.toThrow('ENOENT');
  });

  test('serves on when nobody reads what it prints', async () => {
    const port = await freePort();
    await home.write('config.properties', `${FREE_PORTS}inference_address=http://127.0.0.1:${port}\n`);
    const child = home.spawn(['--foreground', '--model-store', 'model_store']);
    child.stdout.destroy();
    const ended = once(child, 'exit');
    await expect.poll(() => ask(`http://127.0.0.1:${port}/ping`), { timeout: 15_000 }).toMatchObject({ status: 200 });
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  test('is stopped by --stop', async () => {
    const server = await home.serve(['--model-store', 'model_store']);
    expect((await home.run(['--stop', '--foreground'])).stdout).toBe('TorchServe has stopped.\n');
    expect(await server.ended).toBe(0);
  });
});

describe('what TorchServe’s launcher refuses', () => {
  test.each([
    [['--start'], 'Missing mandatory parameter --model-store'],
    [['--model-store', 'gone'], '--model-store directory not found: gone'],
    [['--model-store', 'model_store', '--workflow-store', 'gone'], '--workflow-store directory not found: gone'],
    [['--model-store', 'model_store', '--ts-config', 'gone'], '--ts-config file not found: gone'],
    [['--model-store', 'model_store', '--log-config', 'gone'], '--log-config file not found: gone'],
    [
      ['--model-store', 'model_store', '--cpp-log-config', 'model_store'],
      '--cpp-log-config file not found: model_store',
    ],
  ])('is refused in its words: %j', async (args, message) => {
    expect(await home.run(args)).toEqual({ exitCode: 1, stdout: `${message}\n`, stderr: '' });
    expect(await readdir(home.tmp)).toEqual([]);
  });

  test('is refused for a mistake in the flags, with the usage and exit status 2', async () => {
    const { exitCode, stdout, stderr } = await home.run(['--start', '--stop']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(
      /^usage: torchserve [\s\S]*\ntorchserve: error: argument --stop: not allowed with argument --start\n$/,
    );
  });
});

test('--version names the release that is stood in for, and ours', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  const said = { exitCode: 0, stdout: `TorchServe Version is 0.12.0 (Sconce ${version})\n`, stderr: '' };
  expect(await home.run(['--version'])).toEqual(said);
  expect(await home.run(['-v'])).toEqual(said);
});

test('--help is on stdout', async () => {
  const result = await home.run(['--help']);
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  expect(result.stdout).toMatch(/^usage: torchserve /);
});

test('a log that cannot be written ends the start, and it is said what to do', async () => {
  await rm(join(home.folder, 'logs'), { recursive: true, force: true });
  await home.write('logs', 'a file');
  const { exitCode, stderr } = await home.run(['--start', '--model-store', 'model_store', '--dt']);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /^torchserve: \S*logs: a file of this name is in the way \(EEXIST\); correct the permissions, or name other folders with LOG_LOCATION and TMPDIR\n$/m,
  );
});
