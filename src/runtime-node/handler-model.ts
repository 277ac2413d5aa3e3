// A TypeScript or JavaScript handler as a model that the worker's loop can serve: requests in, one outcome for each out. Failures stay with
// the request that they belong to.
import type { JobKind } from '../core/job.ts';
import type { LoadMessage } from '../protocol/messages.ts';
import {
  type BatchFunction,
  type HandlerContext,
  HandlerError,
  type HandlerRequest,
  type SingleFunction,
} from './handler.ts';
import { HANDLER_LOG, type HandlerResources, handlerContext } from './handler-context.ts';
import { handlerFailureOf, isHandlerError, summaryOf, traceOf, warmUpFailureOf } from './handler-failure.ts';
import { handlerRequest, RefusedRequest } from './handler-request.ts';
import { encodeResult, typeName } from './handler-result.ts';
import { isStream, sendStream } from './handler-stream.ts';
import { LoadError } from './load-error.ts';
import { type LoadedHandler, loadHandler } from './load-handler.ts';
import { isOutOfMemory, OutputError } from './request-error.ts';
import type { Outcome, RuntimeModel, RuntimeRequest } from './runtime-model.ts';

type Settled = { readonly value: unknown } | { readonly error: unknown };

/** Loads the handler that `load` names and runs its `load`. Rejects with a LoadError. */
export async function loadHandlerModel(load: LoadMessage, resources: HandlerResources): Promise<RuntimeModel> {
  const handler = await loadHandler(load.handler, load.modelDir);
  const context = handlerContext(load, resources);
  try {
    const state = await handler.load?.(context);
    return new HandlerModel(handler, state, context, load.maxResponseBytes);
  } catch (error) {
    if (error instanceof LoadError) throw error;
    if (error instanceof Error && isOutOfMemory(error.message)) {
      const remedy = 'Give the model fewer workers or the machine more memory.';
      throw new LoadError('WORKER_OUT_OF_MEMORY', `${summaryOf(error)} ${remedy}`, traceOf(error));
    }
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      const remedy = 'Is the file in the archive? context.modelFolder is where it is unpacked.';
      throw new LoadError('MODEL_FILE_NOT_FOUND', `${summaryOf(error)} ${remedy}`, traceOf(error));
    }
    throw new LoadError('HANDLER_INITIALIZE_FAILED', summaryOf(error), traceOf(error));
  }
}

class HandlerModel implements RuntimeModel {
  readonly signature = undefined;
  readonly #handler: LoadedHandler;
  readonly #state: unknown;
  readonly #context: HandlerContext;
  readonly #maxBytes: number;

  constructor(handler: LoadedHandler, state: unknown, context: HandlerContext, maxBytes: number) {
    this.#handler = handler;
    this.#state = state;
    this.#context = context;
    this.#maxBytes = maxBytes;
  }

  async predict(batch: readonly RuntimeRequest[]): Promise<readonly Outcome[]> {
    const results = this.#answer(batch[0]?.kind ?? 'predict', batch.map(handlerRequest));
    return Promise.all(
      batch.map(async (request, index) => {
        const outcome = await this.#outcome(request, index, await results[index]);
        request.settle(outcome);
        return outcome;
      }),
    );
  }

  /** A promise for each request: of a handler that answers one at a time, a quick answer does not wait for a slow one. */
  #answer(kind: JobKind, requests: readonly HandlerRequest[]): readonly Promise<Settled>[] {
    // What these hold was checked when the handler was loaded.
    const forBatch: BatchFunction<unknown> | undefined = Reflect.get(this.#handler, kind);
    const forOne: SingleFunction<unknown> | undefined = Reflect.get(this.#handler, `${kind}One`);
    if (forBatch !== undefined) {
      const answers = this.#answerBatch(forBatch, requests);
      return requests.map(async (_, index) => (await answers)[index] ?? MISSING);
    }
    if (forOne !== undefined) return requests.map((request) => this.#answerOne(forOne, request));
    const error = new HandlerError(501, `The handler of model ${this.#context.modelName} has no function "${kind}".`);
    return requests.map(async () => ({ error }));
  }

  async #answerOne(answer: SingleFunction<unknown>, request: HandlerRequest): Promise<Settled> {
    return settled(async () => answer.call(this.#handler, request, this.#state, this.#context));
  }

  /** A request that cannot be read fails alone: the handler is asked again for the others. */
  async #answerBatch(answer: BatchFunction<unknown>, requests: readonly HandlerRequest[]): Promise<readonly Settled[]> {
    const refused = new Map<HandlerRequest, Settled>();
    for (;;) {
      const rest = requests.filter((request) => !refused.has(request));
      if (rest.length === 0) return requests.map((request) => refused.get(request) ?? MISSING);
      const results = await settled(async () => answer.call(this.#handler, rest, this.#state, this.#context));
      if ('error' in results && results.error instanceof RefusedRequest && rest.includes(results.error.request)) {
        refused.set(results.error.request, results);
        continue;
      }
      const answers = await this.#separate(results, rest);
      return requests.map((request) => refused.get(request) ?? answers[rest.indexOf(request)] ?? MISSING);
    }
  }

  /** The results of a batch one by one. What was thrown holds for all of them; a promise in the list only for its own request. */
  async #separate(results: Settled, requests: readonly HandlerRequest[]): Promise<readonly Settled[]> {
    const problem = 'error' in results ? results.error : wrongList(results.value, requests.length);
    if (problem !== undefined) {
      this.#log(problem, requests.map((request) => request.id).join(', '));
      const error = isHandlerError(problem) ? problem : new LoggedError(problem);
      return requests.map(() => ({ error }));
    }
    const list = 'value' in results ? (results.value as readonly unknown[]) : [];
    return Promise.all(Array.from(list, (result) => settled(async () => result)));
  }

  async #outcome(request: RuntimeRequest, index: number, result: Settled = MISSING): Promise<Outcome> {
    try {
      if ('error' in result) throw result.error;
      if (result.value instanceof Error) throw result.value;
      if (isStream(result.value)) {
        const format = { maxBytes: this.#maxBytes, isStream: true };
        return { part: await sendStream(result.value, request, format) };
      }
      const format = { maxBytes: this.#maxBytes, isStream: false };
      return { part: encodeResult(result.value, `Result ${index} of the handler`, format) };
    } catch (error) {
      const failureOf = request.isWarmUp ? warmUpFailureOf : handlerFailureOf;
      if (error instanceof LoggedError) return { failure: failureOf(error.cause) };
      if (!request.signal.aborted) this.#log(error, request.requestId);
      return { failure: failureOf(error) };
    }
  }

  /** Tells the author, unless it was the author who told the client. */
  #log(error: unknown, requests: string): void {
    if (isHandlerError(error)) return;
    const text = error instanceof OutputError ? error.message : traceOf(error);
    HANDLER_LOG.error(`The handler failed. Requests: ${requests}\n${text}`);
  }
}

/** What failed a whole batch and is in the log already. */
class LoggedError extends Error {
  constructor(cause: unknown) {
    super('logged', { cause });
  }
}

const MISSING: Settled = { value: undefined };

async function settled(action: () => Promise<unknown>): Promise<Settled> {
  try {
    return { value: await action() };
  } catch (error) {
    return { error };
  }
}

function wrongList(value: unknown, expected: number): OutputError | undefined {
  const wanted = `a list of ${expected} ${expected === 1 ? 'result' : 'results, one for each request,'} was expected`;
  if (Array.isArray(value)) {
    if (value.length === expected) return undefined;
    return new OutputError(
      `The handler returned a list of length ${value.length} where ${wanted}.`,
      'PREDICTION_FAILED',
    );
  }
  const hint = isStream(value) ? ' To stream, return a list of generators, or write predictOne as a generator.' : '';
  return new OutputError(
    `The handler returned a value of type ${typeName(value)} where ${wanted}.${hint}`,
    'PREDICTION_FAILED',
  );
}
