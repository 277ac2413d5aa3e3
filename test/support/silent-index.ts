// A package index that takes requests and never answers: what pip asks there goes on until somebody ends it.
import { createServer } from 'node:net';

export interface SilentIndex {
  /** What makes pip ask here. */
  readonly env: Readonly<Record<string, string>>;
  readonly url: string;
  /** Resolves when somebody has asked. */
  readonly asked: Promise<void>;
  /** Resolves when somebody who has asked waits no more. */
  readonly hungUp: Promise<void>;
  close(): void;
}

export async function silentIndex(): Promise<SilentIndex> {
  let isAsked = () => {};
  let isLeft = () => {};
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  const hungUp = new Promise<void>((resolve) => {
    isLeft = resolve;
  });
  const server = createServer((socket) => {
    socket.on('error', () => {}).once('close', isLeft);
    socket.on('data', isAsked);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const url = `http://127.0.0.1:${port}/simple`;
  const env = { PIP_INDEX_URL: url, PIP_FIND_LINKS: '', NO_PROXY: '127.0.0.1' };
  return { env, url, asked, hungUp, close: () => server.close() };
}
