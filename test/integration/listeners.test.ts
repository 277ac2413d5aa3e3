// Who may talk to the listeners, and where they may be: Host and Origin checks, sockets of the file system, one listener for two APIs.
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFaultStore, type FaultStore } from '../support/fault-model.ts';
import { startServer, type TestServer } from '../support/sconce-server.ts';
import { askRaw, metricsText, predict, register } from '../support/serving-client.ts';

let store: FaultStore;
let server: TestServer;

beforeAll(async () => {
  store = await createFaultStore();
  server = await startServer({ modelStore: store.folder });
  await store.add('guarded');
  await register(server, 'guarded');
});

afterAll(async () => {
  await server?.stop();
  await store?.remove();
});

type Api = 'inference' | 'management' | 'metrics';

function get(api: Api, path: string, headers: Record<string, string>, method = 'GET') {
  const { hostname, port } = new URL(server[api]);
  return askRaw({ hostname, port, path, method, headers });
}

describe('on loopback', () => {
  test.each<[Api, string]>([
    ['inference', '/ping'],
    ['inference', '/predictions/guarded'],
    ['management', '/models'],
    ['metrics', '/metrics'],
  ])('a Host that is not this machine is refused by the %s listener: %s', async (api, path) => {
    for (const host of [
      'evil.example',
      'evil.example:8081',
      '127.0.0.1.evil.example',
      '10.0.0.1',
      'localhost.evil.example:80',
    ]) {
      const answer = await get(api, path, { host });
      expect(answer.status, host).toBe(403);
      expect(JSON.parse(answer.text)).toMatchObject({ code: 403, type: 'ForbiddenException' });
    }
  });

  test.each(['/ping', '/livez', '/readyz'])('a probe may ask for the head only: %s', async (path) => {
    const answer = await get('inference', path, {}, 'HEAD');
    expect(answer).toMatchObject({ status: 200, text: '' });
  });

  test('every name of this machine is taken', async () => {
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:9', '127.1.2.3', '[::1]:8080', '']) {
      expect((await get('inference', '/ping', { host })).status, host).toBe(200);
    }
  });
});

describe("a web page's request", () => {
  const foreign = [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ];

  test.each(foreign)('from another site is refused by management: %j', async (headers) => {
    for (const [method, path] of [
      ['GET', '/models'],
      ['POST', '/models?url=guarded&model_name=planted'],
      ['DELETE', '/models/guarded'],
      ['PUT', '/models/guarded?min_worker=0'],
    ] as const) {
      const answer = await get('management', path, { ...headers, 'content-type': 'text/plain' }, method);
      expect(answer.status, `${method} ${path}`).toBe(403);
      expect(JSON.parse(answer.text).message).toContain('another site');
    }
    expect((await predict(server, 'guarded', { do: 'echo', value: 'untouched' })).text).toBe('untouched');
  });

  test('from the same origin, and one that the user typed, are taken', async () => {
    const { host } = new URL(server.management);
    expect(
      (await get('management', '/models', { origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).status,
    ).toBe(200);
    expect((await get('management', '/models', { 'sec-fetch-site': 'none' })).status).toBe(200);
  });
});

test('the metrics listener tells requests, failures, queues and what handlers report, in the Prometheus text format', async () => {
  await store.add('measured');
  await register(server, 'measured');
  await predict(server, 'measured', { do: 'count', name: 'SheepCounted', by: 3 });
  await predict(server, 'measured', { do: 'fail' });
  const text = await metricsText(server);
  const labels = 'model_name="measured",model_version="1.0"';
  expect(text).toMatch(new RegExp(`^ts_inference_requests_total\\{${labels},hostname="[^"]+"\\} 2$`, 'm'));
  expect(text).toMatch(new RegExp(`^sconce_failed_requests_total\\{${labels},code="PREDICTION_FAILED"\\} 1$`, 'm'));
  expect(text).toMatch(new RegExp(`^sconce_queue_waiting\\{${labels}\\} 0$`, 'm'));
  expect(text).toMatch(new RegExp(`^sconce_request_duration_seconds_count\\{${labels}\\} 2$`, 'm'));
  expect(text).toMatch(/^SheepCounted\{[^}]*ModelName="measured"[^}]*\} 3$/m);
  expect(text).toMatch(/^Requests5XX\{Level="Host",Hostname="[^"]+"\} [1-9]/m);
  const answer = await get('metrics', '/metrics?name[]=Requests2XX', { host: 'localhost' });
  expect(answer.headers['content-type']).toContain('text/plain; version=0.0.4');
  expect(answer.text.trim().split('\n')).toHaveLength(1);
});

describe('one socket of the file system for inference and management', () => {
  let combined: TestServer;
  let path: string;

  beforeAll(async () => {
    path = join(store.folder, 'api.sock');
    combined = await startOnSocket();
  });

  afterAll(async () => {
    await combined?.stop();
  });

  function startOnSocket(): Promise<TestServer> {
    return startServer({
      modelStore: store.folder,
      settings: { inference_address: `unix:${path}`, management_address: `unix:${path}` },
    });
  }

  test('answers both APIs, whatever the Host', async () => {
    expect([combined.inference, combined.management]).toEqual([`unix:${path}`, `unix:${path}`]);
    const headers = { host: 'whatever', 'content-type': 'application/json' };
    const registered = await askRaw({
      socketPath: path,
      method: 'POST',
      path: '/models?url=guarded&initial_workers=1&synchronous=true',
      headers,
    });
    expect(registered.status, registered.text).toBe(200);
    const answer = await askRaw(
      { socketPath: path, method: 'POST', path: '/predictions/guarded', headers },
      JSON.stringify({ do: 'echo', value: 'through a file' }),
    );
    expect(answer.text).toBe('through a file');
    expect((await askRaw({ socketPath: path, path: '/models/guarded' })).status).toBe(200);
    expect((await askRaw({ socketPath: path, path: '/ping' })).status).toBe(200);
  });

  test('refuses pages of other sites for management', async () => {
    const headers = { origin: 'http://evil.example' };
    expect((await askRaw({ socketPath: path, path: '/models', headers })).status).toBe(403);
  });

  test('a second server does not take the socket of a running one', async () => {
    await expect(startOnSocket()).rejects.toThrow(/ended with 1 .*api\.sock is in use by another process/);
    expect((await askRaw({ socketPath: path, path: '/ping' })).status).toBe(200);
  });

  test('the socket of a server that was killed does not keep the next one from starting', async () => {
    await combined.stop('SIGKILL');
    await access(path);
    combined = await startOnSocket();
    expect((await askRaw({ socketPath: path, path: '/ping' })).status).toBe(200);
    expect(await combined.stop()).toBe(0);
    await expect(access(path)).rejects.toThrow('ENOENT');
  });
});
