// `sconce invoke MODEL FILE…`: one worker, a few requests, and the end. The server is the real one, in this process and on socket files that nobody
// else can reach; answers go to standard output, all the rest to standard error.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '../config/config-error.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { ServingError } from '../core/errors.ts';
import type { Job } from '../core/job.ts';
import type { ModelSpec } from '../core/model-spec.ts';
import type { RunningServer } from '../server.ts';
import { AuthorLog } from './author/author-log.ts';
import { type AuthorFlags, authorSettings, startAuthorServer } from './author/author-server.ts';
import { debuggerNotice } from './author/debug-flags.ts';
import { checkOutputFile, LostOutput, writeAnswer } from './author/invoke-answer.ts';
import { type InvokeRequest, type RequestFlags, readRequests } from './author/invoke-request.ts';
import { findTarget, type ModelTarget } from './author/model-target.ts';
import { StageTimes } from './author/stage-times.ts';
import { failureText } from './terminal/failure.ts';
import { paintFor } from './terminal/paint.ts';
import { stageTable } from './terminal/stage-table.ts';

/** What was written behind `sconce invoke`, as commander names it. */
export interface InvokeFlags extends AuthorFlags, RequestFlags {
  readonly batch?: boolean;
  readonly output?: string;
}

/** One run of the command. */
interface Run {
  readonly target: ModelTarget;
  readonly requests: readonly InvokeRequest[];
  readonly flags: InvokeFlags;
  readonly log: AuthorLog;
  readonly times: StageTimes;
  /** The user has given it up. */
  readonly signal: AbortSignal;
}

/** Runs the requests. What fails is told on stderr and leaves exit status 1; it does not throw. */
export async function invoke(
  path: string,
  files: readonly string[],
  flags: InvokeFlags,
  version: string,
): Promise<void> {
  const giveUp = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => giveUp.abort());
  let isGood = false;
  try {
    const target = await findTarget(path);
    const requests = await readRequests(files, flags);
    if (flags.output !== undefined && requests.length > 1)
      throw new ConfigError('--output takes the answer of one request; there are several');
    if (flags.output !== undefined) await checkOutputFile(flags.output);
    const paint = { output: paintFor(process.stderr, process.env), messages: paintFor(process.stderr, process.env) };
    const { folder } = target;
    const log = new AuthorLog({ output: process.stderr, messages: process.stderr, paint, folder });
    const { signal } = giveUp;
    isGood = await onServer({ target, requests, flags, log, times: new StageTimes(), signal }, version);
  } catch (error) {
    // What a reader has not read to its end was answered all the same.
    if (error instanceof LostOutput && error.isClosed) isGood = true;
    else if (!giveUp.signal.aborted) tell(error, flags);
  }
  process.exitCode = giveUp.signal.aborted ? 130 : isGood ? 0 : 1;
}

function tell(error: unknown, { output }: InvokeFlags): void {
  // Whoever watches over standard output has said it.
  if (error instanceof LostOutput && output === undefined) return;
  const message = error instanceof LostOutput ? `--output ${output}: ${error.message}` : failureText(error);
  process.stderr.write(`sconce: ${message}\n`);
}

/** Whether every request was answered well. */
async function onServer(run: Run, version: string): Promise<boolean> {
  const { target, requests, flags, log, times, signal } = run;
  const beganAt = performance.now();
  const { config, workerDebugger } = await authorSettings(target, flags);
  if (workerDebugger !== undefined) log.say(debuggerNotice(workerDebugger));
  const sockets = await mkdtemp(join(tmpdir(), 'sconce-invoke-'));
  let server: RunningServer | undefined;
  let onAbort = () => {};
  try {
    server = await startAuthorServer({
      config: onSockets(config, sockets),
      workerDebugger,
      serverLog: log.serverLog,
      version,
      signal,
      adjustSpec: flags.batch === true ? (spec) => forBatch(spec, requests.length) : (spec) => spec,
      observer: times.observer,
      onHandlerTime: (handlerMs) => times.handlerTook(handlerMs),
    });
    const running = server;
    onAbort = () => void running.stop(0);
    signal.addEventListener('abort', onAbort, { once: true });
    signal.throwIfAborted();
    return await answerAll(run, server, beganAt);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await server?.stop(0);
    await rm(sockets, { recursive: true, force: true });
  }
}

/** Loads the model, has every request answered, and shows the times. Whether all went well. */
async function answerAll(run: Run, server: RunningServer, beganAt: number): Promise<boolean> {
  const { log, signal } = run;
  try {
    return await log.during(() => loadAndAnswer(run, server, beganAt));
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    // What fails because the server was stopped is nobody's fault.
    if (!signal.aborted) log.fail({ message: error.message, trace: error.details.trace, hint: error.details.hint });
    return false;
  }
}

async function loadAndAnswer(run: Run, { management, inference }: RunningServer, beganAt: number): Promise<boolean> {
  const { target, requests, flags, log } = run;
  const isTogether = flags.batch === true;
  const { model } = await management.register({ ...target.parameters, synchronous: !isTogether }, true);
  const submit = (request: InvokeRequest) => inference.infer({ ...request, model: model.name, timeoutMs: undefined });
  // All of a batch is in the queue before the worker is ready, which takes them together then.
  const early = isTogether ? requests.map(submit) : [];
  let isGood = true;
  for (const [index, request] of requests.entries())
    isGood = (await answer(run, request, early[index] ?? submit(request))) && isGood;
  const { loading } = await management.describe(model.name, model.version);
  const stages = loading.map(({ phase, tookMs }) => [phase, tookMs] as const);
  log.say(stageTable([...stages, ...requestStages(run), ['total', performance.now() - beganAt]]).trimEnd());
  return isGood;
}

/** Whether the answer was a good one. */
async function answer({ flags, requests, log }: Run, request: InvokeRequest, job: Job): Promise<boolean> {
  const { label } = request;
  try {
    const isTerminal = process.stdout.isTTY === true;
    const { status, contentType, sizeBytes } = await writeAnswer(job, { outputFile: flags.output, isTerminal });
    if (requests.length > 1 || status !== 200) log.say(`${label}: ${status}, ${contentType}, ${sizeBytes} bytes`);
    return status < 400;
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    // Nothing is answered, so it is told once, and with the reason.
    if (error.code === 'MODEL_UNAVAILABLE') throw error.cause instanceof ServingError ? error.cause : error;
    const { message, code, details } = error;
    log.fail({ message: `${label}: ${message} (${code})`, trace: details.trace, hint: details.hint });
    return false;
  }
}

/** The stages of the requests: of one by themselves, of several each with its name. */
function requestStages({ requests, flags, times }: Run): (readonly [name: string, ms: number])[] {
  return requests.flatMap(({ requestId, label }) => {
    const found = times.of(requestId);
    if (found === undefined) return [];
    const name = (stage: string) => (requests.length === 1 ? stage : `${stage} ${label}`);
    // A batch waits for its worker on purpose; what it waits is spawn and load.
    const queue = flags.batch === true ? [] : [[name('queue'), found.queueMs] as const];
    return [...queue, [name('handler'), found.handlerMs] as const];
  });
}

/** Room for all of them in one batch, and in the queue. */
function forBatch(spec: ModelSpec, requests: number): ModelSpec {
  return {
    ...spec,
    batchSize: Math.max(spec.batchSize, requests),
    queueSize: Math.max(spec.queueSize, requests),
  };
}

/** Socket files in a folder of this user's own instead of ports. */
function onSockets(config: ServerConfig, folder: string): ServerConfig {
  const api = { scheme: 'unix', path: join(folder, 'api') } as const;
  const metrics = { scheme: 'unix', path: join(folder, 'metrics') } as const;
  return { ...config, inferenceAddress: api, managementAddress: api, metricsAddress: metrics };
}
