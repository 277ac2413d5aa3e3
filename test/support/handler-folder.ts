// Model folders with a TypeScript or JavaScript handler, and the requests that a worker would hand to it.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { LoadMessage } from '../../src/protocol/messages.ts';
import type { Outcome, ResultPart, RuntimeRequest } from '../../src/runtime-node/runtime-model.ts';

/** A temporary folder with these files; removed by `removeHandlerFolders`. */
export async function handlerFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sconce-handler-test-'));
  FOLDERS.push(folder);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}

export async function removeHandlerFolders(): Promise<void> {
  for (const folder of FOLDERS.splice(0)) await rm(folder, { recursive: true, force: true });
}

const FOLDERS: string[] = [];

/** The first message to a worker for this folder. */
export function loadMessage(modelDir: string, changes: Partial<LoadMessage> = {}): LoadMessage {
  return {
    type: 'load',
    protocol: 1,
    modelName: 'm',
    modelVersion: '1.0',
    modelDir,
    handler: null,
    modelFile: null,
    threads: 1,
    batchSize: 4,
    gpuId: null,
    envelope: null,
    limitMaxImagePixels: true,
    decodeInput: false,
    modelConfig: null,
    modelMetrics: null,
    maxResponseBytes: 0,
    creditBytes: 65_536,
    serverVersion: '0.0.0',
    rank: 0,
    worldSize: 1,
    ...changes,
  };
}

/** A request that keeps what was streamed to it. */
export interface RecordedRequest extends RuntimeRequest {
  readonly streamed: ResultPart[];
  readonly abort: () => void;
}

export function runtimeRequest(
  body: string | Uint8Array | undefined,
  changes: Partial<Omit<RuntimeRequest, 'signal' | 'stream'>> = {},
): RecordedRequest {
  const controller = new AbortController();
  const streamed: ResultPart[] = [];
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return {
    requestId: 'r',
    kind: 'predict',
    isWarmUp: false,
    headers: [],
    inputs: bytes === undefined ? [] : [{ name: 'body', contentType: 'application/json', bytes }],
    signal: controller.signal,
    stream: async (part) => {
      controller.signal.throwIfAborted();
      streamed.push(part);
    },
    settle: () => {},
    ...changes,
    streamed,
    abort: () => controller.abort(),
  };
}

/** The text of an answer, or `code: message` of a failure. */
export function textOf(outcome: Outcome | undefined): string {
  if (outcome === undefined) return 'no outcome';
  if ('part' in outcome) return partText(outcome.part);
  return `${outcome.failure.code}: ${outcome.failure.message}`;
}

export function partText(part: ResultPart): string {
  return Buffer.from(part.bytes).toString('utf8');
}
