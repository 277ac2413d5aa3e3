import { createServer, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { PATIENCE } from '../../support/contract-bench.ts';
import { downloadBench, QUICK } from '../../support/download-bench.ts';
import { rejectionOf } from '../../support/thrown.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server that says whatever it likes to whoever asks it. */
async function rawHost(talk: (socket: Socket, head: string) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('data', (head) => talk(socket, String(head)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { sockets, url: `http://127.0.0.1:${(server.address() as { port: number }).port}/model.mar` };
}

async function bench(options: Parameters<typeof downloadBench>[0] = {}) {
  const made = await downloadBench({ limits: { ...QUICK, maxBreaks: 1 }, silenceMs: 200, ...options });
  ends.push(() => made.close());
  return made;
}

/** Sends a text again and again, for ever. */
function dribble(socket: Socket, text: string): void {
  const timer = setInterval(() => socket.write(text), 10);
  socket.on('close', () => clearInterval(timer));
}

it.each<[string, string, (socket: Socket) => void]>([
  [
    'that sends its head a little at a time',
    'no answer in time',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx-pad: ');
      dribble(socket, 'a');
    },
  ],
  [
    'that sends anything but its body a little at a time',
    'fell silent',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1;x=');
      dribble(socket, 'a');
    },
  ],
  [
    'whose head has no end',
    'too large',
    (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nx-pad: ${'a'.repeat(100_000)}`);
      dribble(socket, 'a');
    },
  ],
  [
    'that says two lengths',
    'does not speak HTTP',
    (socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'),
  ],
  [
    'that changes to another protocol',
    'no answer',
    (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc'),
  ],
  [
    'that sends some of the bytes it announces and ends',
    'ended early',
    (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'),
  ],
])('a server %s is given up, and its connection closed', async (_, word, talk) => {
  const { url, sockets } = await rawHost(talk);
  const { fetch, names } = await bench();
  const error = await rejectionOf(fetch(url));
  expect(error.code).toBe('DOWNLOAD_FAILED');
  expect(error.message).toContain(word);
  expect(await names()).toEqual([]);
  for (const socket of sockets) await expect.poll(() => socket.destroyed, PATIENCE).toBe(true);
});

it('hints that come before the answer are not taken for it', async () => {
  const { url } = await rawHost((socket) =>
    socket.end('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc'),
  );
  const { fetch } = await bench();
  // SHA-256 of "abc" (FIPS 180-2, B.1).
  expect((await fetch(url)).sha256).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

it('what follows the last byte of the answer is not stored', async () => {
  const { url } = await rawHost((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef'));
  const { fetch } = await bench();
  const stored = await fetch(url).catch(() => undefined);
  expect(stored?.sha256 ?? '').toMatch(/^(ba7816bf.*)?$/);
});

it('a validator that is none is not sent back', async () => {
  const heads: string[] = [];
  const { url } = await rawHost((socket, head) => {
    heads.push(head);
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\netag: "a b"\r\n\r\nabc');
  });
  const { fetch } = await bench();
  expect((await rejectionOf(fetch(url))).message).toContain('ended early');
  expect(heads).toHaveLength(2);
  expect(heads.join()).not.toMatch(/if-range/i);
});

it('a server that stops does not wait for a name to be looked up', async () => {
  let asked = 0;
  const { fetch, downloads, names } = await bench({
    resolve: () => {
      asked += 1;
      return new Promise(() => {});
    },
    allowed: 'http://models\\.example/.*',
  });
  const failed = fetch('http://models.example/model.mar').catch((thrown: unknown) => thrown);
  await expect.poll(() => asked, PATIENCE).toBe(1);
  await downloads.close();
  expect(await failed).toBeInstanceOf(Error);
  expect(await names()).toEqual([]);
});
