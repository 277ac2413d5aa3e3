// One inference request over HTTP: body in, job through the service, and the job's parts out: one answer, or a stream as it comes.
import type { Dialect } from '../config/dialect.ts';
import type { HeaderPair, Job, JobInput, JobKind, OutputPart } from '../core/job.ts';
import type { InferenceService } from '../services/inference-service.ts';
import type { Body } from './arriving-body.ts';
import type { Exchange } from './exchange.ts';
import { answerHeaders, reasonOf } from './handler-answer.ts';
import { handlerHeaders, requestPriority, requestTimeoutMs } from './handler-request.ts';
import { inputsOf, tensorInput } from './payload.ts';

/** Which model is asked what, as the path says it; a form may say which model. */
export interface PredictionTarget {
  readonly model: string | ((inputs: readonly JobInput[]) => string);
  readonly version: string | undefined;
  readonly kind: JobKind;
  /** Headers that the server adds for the handler; a client cannot set them. */
  readonly headers: readonly HeaderPair[];
  /** How the inputs come: as a body or form, with query parameters before it, or as tensors of the Open Inference Protocol. */
  readonly inputs: 'body' | 'query-and-body' | 'tensors';
}

export async function predict(
  exchange: Exchange,
  inference: InferenceService,
  dialect: Dialect,
  target: PredictionTarget,
): Promise<void> {
  // Names that nobody registered share one share of the memory: anybody can make them up.
  const owner = typeof target.model === 'string' && inference.knows(target.model) ? target.model : '';
  const job = await exchange.readBody(owner, (body) => submit(exchange, inference, target, body));
  exchange.onClientGone(() => job.abandon());
  const first = await job.next();
  if (first.isLast) answer(exchange, dialect, first);
  else await stream(exchange, dialect, job, first);
}

async function submit(
  exchange: Exchange,
  inference: InferenceService,
  target: PredictionTarget,
  body: Body,
): Promise<Job> {
  try {
    const inputs =
      target.inputs === 'tensors'
        ? [tensorInput(body, exchange.contentType)]
        : await inputsOf(body, exchange.contentType, target.inputs === 'query-and-body' ? exchange.query : '');
    return inference.infer({
      model: typeof target.model === 'string' ? target.model : target.model(inputs),
      requestedVersion: target.version,
      requestId: exchange.requestId,
      kind: target.kind,
      priority: requestPriority(exchange),
      headers: handlerHeaders(exchange, target.headers),
      inputs,
      discard: () => body.discard(),
      timeoutMs: requestTimeoutMs(exchange),
    });
  } catch (error) {
    body.discard();
    throw error;
  }
}

function answer(exchange: Exchange, dialect: Dialect, part: OutputPart): void {
  exchange.body(part.status, reasonOf(part, dialect), answerHeaders(part, dialect), part.chunks);
}

async function stream(exchange: Exchange, dialect: Dialect, job: Job, first: OutputPart): Promise<void> {
  try {
    exchange.beginStream(first.status, reasonOf(first, dialect), answerHeaders(first, dialect));
    for (let part = first; ; part = await job.next()) {
      await exchange.write(part.chunks);
      if (part.isLast) break;
    }
  } catch (error) {
    job.abandon();
    throw error;
  }
  exchange.endStream();
}
