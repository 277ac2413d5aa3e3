// A Node worker process under the test's own hand: the test is the server at the other end of its two channels.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Connection } from '../../src/protocol/connection.ts';
import type { FrameHeader, Part } from '../../src/protocol/frame.ts';
import type { ControlMessage, LoadMessage } from '../../src/protocol/messages.ts';

const MAIN = fileURLToPath(new URL('../../dist/runtime-node/main.js', import.meta.url));

/** A request of a test: the body, or the fields of a form. */
export interface WorkerRequest {
  readonly body?: string | Uint8Array;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly kind?: 'predict' | 'explain' | 'describe';
  readonly inputs?: readonly { readonly name: string; readonly contentType: string; readonly bytes: Uint8Array }[];
}

export interface WorkerAnswer {
  /** The error's code, undefined for an answer. */
  readonly code: string | undefined;
  /** The error's status or the answer's; 200 when it names none. */
  readonly status: number;
  readonly message: string;
  readonly as: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  /** The body, parsed. */
  json(): unknown;
}

export type ReceivedFrame = { readonly header: FrameHeader; readonly parts: readonly Buffer[] };

export class NodeWorker {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly frames: ReceivedFrame[] = [];
  readonly control: Connection;
  readonly data: Connection;
  readonly controlFrames: FrameHeader[] = [];
  readonly #watchers = new Set<() => void>();
  #nextJob = 1;
  output = '';

  constructor(modelDir: string) {
    const child = spawn(process.execPath, [MAIN], { cwd: modelDir, stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'] });
    this.process = child;
    this.exited = once(child, 'exit').then(([code]) => code as number | null);
    const [, stdout, stderr, data, control] = child.stdio;
    for (const stream of [stdout, stderr]) stream?.on('data', (chunk: Buffer) => this.#log(chunk));
    const changed = () => {
      for (const watcher of this.#watchers) watcher();
    };
    this.data = new Connection(data as Duplex, {
      maxPartBytes: 1 << 30,
      onFrame: (header, parts) => {
        this.frames.push({ header, parts: parts.map((part: Part) => Buffer.concat(part)) });
        changed();
      },
      onClose: changed,
    });
    this.control = new Connection(control as Duplex, {
      maxPartBytes: 0,
      onFrame: (header) => {
        this.controlFrames.push(header);
        changed();
      },
      onClose: changed,
    });
  }

  /** Resolves once `find` finds something, now or after a frame to come. */
  async until<Found>(find: () => Found | undefined): Promise<Found> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      const change = new Promise<void>((resolve) => {
        const watcher = () => {
          this.#watchers.delete(watcher);
          resolve();
        };
        this.#watchers.add(watcher);
      });
      const code = await Promise.race([change.then(() => undefined), this.exited.then((exit) => ({ exit }))]);
      if (code !== undefined && find() === undefined)
        throw new Error(`the worker ended with ${code.exit}: ${this.output}`);
    }
  }

  /** Sends `load`, and gives the answer: `ready` or `error`. */
  load(load: Partial<LoadMessage> & { readonly modelDir: string }): Promise<FrameHeader> {
    this.data.send({ ...DEFAULT_LOAD, ...load });
    return this.until(() => this.frames.find(({ header }) => /^(?:ready|error)$/.test(header.type))?.header);
  }

  /** Sends these requests as one batch; gives the ids of its jobs. On the control channel it is heard also while the worker computes. */
  send(requests: readonly WorkerRequest[], channel: 'data' | 'control' = 'data'): number[] {
    const parts: Uint8Array[] = [];
    const jobs = requests.map((request) => {
      const { body = '', contentType = 'application/json', headers = {}, kind = 'predict' } = request;
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      const inputs = request.inputs ?? [{ name: 'body', contentType, bytes }];
      parts.push(...inputs.map((input) => input.bytes));
      const id = this.#nextJob++;
      return {
        id,
        requestId: `request-${id}`,
        kind,
        headers: Object.entries(headers),
        inputs: inputs.map((input) => ({ name: input.name, contentType: input.contentType })),
      };
    });
    this[channel].sendParts(
      { type: 'predict', jobs },
      parts.map((part) => [part]),
      parts.map((part) => part.length),
    );
    return jobs.map(({ id }) => id);
  }

  /** Sends these requests as one batch and gives their answers in order. */
  async batch(requests: readonly WorkerRequest[]): Promise<WorkerAnswer[]> {
    const ids = this.send(requests);
    return Promise.all(ids.map((id) => this.answer(id)));
  }

  /** The answer to one request alone. */
  async ask(request: WorkerRequest): Promise<WorkerAnswer> {
    const [answer] = await this.batch([request]);
    if (answer === undefined) throw new Error('a request has no answer');
    return answer;
  }

  answer(id: number): Promise<WorkerAnswer> {
    return this.until(() => this.#answerTo(id));
  }

  /** Says stop, and gives the exit code. */
  stop(): Promise<number | null> {
    this.tell({ type: 'stop' });
    return this.exited;
  }

  tell(message: ControlMessage): void {
    this.control.send(message);
  }

  #answerTo(id: number): WorkerAnswer | undefined {
    for (const { header, parts } of this.frames) {
      if (header.type === 'error' && (header['jobs'] as number[] | undefined)?.includes(id)) {
        const { code, message, status } = header as unknown as { code: string; message: string; status?: number };
        return answerOf({ code, message, status: status ?? 500, as: undefined, headers: [], bytes: Buffer.alloc(0) });
      }
      if (header.type !== 'output') continue;
      const outputs = header['outputs'] as readonly OutputHead[];
      const index = outputs.findIndex(({ job, last }) => job === id && last);
      const head = outputs[index];
      const bytes = parts[index];
      if (head === undefined || bytes === undefined) continue;
      const { as, status = 200, headers = [] } = head;
      return answerOf({ code: undefined, message: '', status, as, headers, bytes });
    }
    return undefined;
  }

  #log(chunk: Buffer): void {
    this.output += chunk.toString();
  }
}

interface OutputHead {
  readonly job: number;
  readonly last: boolean;
  readonly as: string;
  readonly status?: number;
  readonly headers?: readonly (readonly [string, string])[];
}

function answerOf(parts: {
  readonly code: string | undefined;
  readonly message: string;
  readonly status: number;
  readonly as: string | undefined;
  readonly headers: readonly (readonly [string, string])[];
  readonly bytes: Buffer;
}): WorkerAnswer {
  return { ...parts, headers: Object.fromEntries(parts.headers), json: () => JSON.parse(parts.bytes.toString()) };
}

const DEFAULT_LOAD: Omit<LoadMessage, 'modelDir'> = {
  type: 'load',
  protocol: 1,
  modelName: 'model',
  modelVersion: '1.0',
  handler: null,
  modelFile: null,
  threads: 1,
  batchSize: 8,
  gpuId: null,
  envelope: null,
  limitMaxImagePixels: true,
  decodeInput: true,
  modelConfig: null,
  modelMetrics: null,
  maxResponseBytes: 6_553_500,
  creditBytes: 256 * 1024,
  serverVersion: '0.1.0',
  rank: 0,
  worldSize: 1,
};
