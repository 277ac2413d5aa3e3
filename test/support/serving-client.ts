// What tests ask of a running server, one function for each request; an answer is read whole. Raw sockets are for the tests that cut
// connections or lie in headers.
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Command } from './fault-model.ts';
import { until } from './fault-model.ts';
import type { TestServer } from './sconce-server.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** One worker as `GET /models/{name}` shows it. */
export interface WorkerView {
  readonly id: string;
  readonly status: string;
  readonly state: string;
  readonly pid?: number;
  readonly reason?: string;
  readonly lastExit?: {
    readonly exitCode?: number;
    readonly signal?: string;
    readonly reason?: 'killed' | 'oom' | 'probably-oom';
    readonly killedFor?: string;
    readonly stderr: readonly string[];
  };
  readonly nextRetryAt?: string;
}

export interface ModelView {
  readonly modelName: string;
  readonly minWorkers: number;
  readonly maxWorkers: number;
  readonly batchSize: number;
  readonly maxBatchDelay: number;
  readonly responseTimeout: number;
  readonly workers: readonly WorkerView[];
  readonly jobQueueStatus: { readonly remainingCapacity: number; readonly pendingRequests: number };
  readonly scaling?: {
    readonly reason: string;
    readonly lastChange?: { readonly from: number; readonly to: number; readonly reason: string; readonly at: string };
  };
  readonly loading?: readonly { readonly phase: string; readonly state: string; readonly seconds: number }[];
  readonly lastError?: {
    readonly code: number;
    readonly type: string;
    readonly message: string;
    readonly hint?: string;
    readonly trace?: readonly string[];
    readonly worker: string;
    readonly at: string;
  };
}

export interface PredictOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Asks the fault model to do something. */
export async function predict(
  server: TestServer,
  model: string,
  command: Command,
  options: PredictOptions = {},
): Promise<Answer> {
  return ask(`${server.inference}/predictions/${model}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...options.headers },
    body: JSON.stringify(command),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Registers the model whose archive has its name; synchronously, with one worker, unless the parameters say otherwise. */
export async function register(
  server: TestServer,
  url: string,
  parameters: Record<string, unknown> = {},
): Promise<Answer> {
  const query = queryOf({ url, initial_workers: 1, synchronous: true, ...parameters });
  return ask(`${server.management}/models?${query}`, { method: 'POST' });
}

export async function unregister(
  server: TestServer,
  model: string,
  parameters: Record<string, unknown> = {},
): Promise<Answer> {
  return ask(`${server.management}/models/${model}?${queryOf(parameters)}`, { method: 'DELETE' });
}

export async function scale(server: TestServer, model: string, parameters: Record<string, unknown>): Promise<Answer> {
  return ask(`${server.management}/models/${model}?${queryOf(parameters)}`, { method: 'PUT' });
}

export async function describeModel(server: TestServer, model: string): Promise<ModelView> {
  const { text } = await ask(`${server.management}/models/${model}`);
  const [view] = JSON.parse(text) as ModelView[];
  if (view === undefined) throw new Error(`no description of ${model}: ${text}`);
  return view;
}

/** Resolves with the description once it shows what is awaited. */
export function untilModel(server: TestServer, model: string, fits: (view: ModelView) => boolean): Promise<ModelView> {
  return until(async () => {
    const view = await describeModel(server, model);
    return fits(view) && view;
  });
}

/** Resolves when so many requests of the model wait for a worker. */
export async function untilWaiting(server: TestServer, model: string, count: number): Promise<void> {
  await untilModel(server, model, (view) => view.jobQueueStatus.pendingRequests === count);
}

export async function metricsText(server: TestServer): Promise<string> {
  return (await ask(`${server.metrics}/metrics`)).text;
}

export async function ask(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** An answer that is read as it comes. */
export interface OpenAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** What has come so far. */
  text(): string;
  /** Resolves when so many bytes have come. */
  untilBytes(count: number): Promise<void>;
  /** How the answer ended: whole, or broken off. */
  readonly ended: Promise<'whole' | 'broken'>;
  /** Takes nothing more from the connection, which stays open. */
  pause(): void;
  resume(): void;
  /** Cuts the connection. */
  leave(): void;
}

/** Sends a prediction over a connection of its own; resolves with the head of the answer. */
export function openPrediction(
  server: TestServer,
  model: string,
  command: Command,
  headers: Readonly<Record<string, string>> = {},
): Promise<OpenAnswer> {
  return new Promise((resolve, reject) => {
    const url = `${server.inference}/predictions/${model}`;
    const outgoing = httpRequest(url, {
      agent: false,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      let text = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      // A broken answer is an error as well as a close; the close tells both apart.
      response.on('error', () => {});
      const ended = new Promise<'whole' | 'broken'>((settle) => {
        response.on('close', () => settle(response.complete ? 'whole' : 'broken'));
      });
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text: () => text,
        untilBytes: async (count) => {
          await until(() => text.length >= count);
        },
        ended,
        pause: () => response.pause(),
        resume: () => response.resume(),
        leave: () => outgoing.destroy(),
      });
    });
    outgoing.end(JSON.stringify(command));
  });
}

/** A request whose headers are sent as they are, over a connection of its own; the answer's body is read whole. */
export function askRaw(
  target: RequestOptions,
  body?: string,
): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ agent: false, ...target }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function queryOf(parameters: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  return query.toString();
}
