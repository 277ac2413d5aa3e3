// What an author's code threw, as the failure of a request or of a load. The text of a HandlerError is meant for the client; that of
// anything else stays in the log.

import type { HandlerError } from './handler.ts';
import { HANDLER_ERROR } from './handler-brands.ts';
import { failureOf, isOutOfMemory, OutputError } from './request-error.ts';
import type { RequestFailure } from './runtime-model.ts';

const TRACE_LINES = 30;
const TEXT_CHARACTERS = 500;

export function isHandlerError(value: unknown): value is HandlerError {
  return value instanceof Error && HANDLER_ERROR in value;
}

/** The failure of a request for which the handler threw or returned this. */
export function handlerFailureOf(thrown: unknown): RequestFailure {
  if (isHandlerError(thrown)) return { code: 'HANDLER_ERROR', message: thrown.message, status: thrown.status };
  if (thrown instanceof OutputError) return failureOf(thrown);
  if (thrown instanceof Error && isOutOfMemory(thrown.message)) {
    return { code: 'OUT_OF_RESOURCES', message: 'The handler ran out of memory.' };
  }
  const kind = thrown instanceof Error ? thrown.name : `a thrown ${typeof thrown}`;
  return { code: 'PREDICTION_FAILED', message: `The handler failed (${kind}); the log of the server says why.` };
}

/** The same of a request that warms the worker up: whoever packed the model is told all. */
export function warmUpFailureOf(thrown: unknown): RequestFailure {
  const failure = handlerFailureOf(thrown);
  const isToldAnyway = isHandlerError(thrown) || thrown instanceof OutputError;
  return { ...failure, message: isToldAnyway ? failure.message : summaryOf(thrown), trace: traceOf(thrown) };
}

/** `ErrorType: text` on one line that ends like a sentence. */
export function summaryOf(thrown: unknown): string {
  const whole = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `thrown value: ${String(thrown)}`;
  const text = whole.replaceAll(/\s+/g, ' ').trim();
  if (text.length > TEXT_CHARACTERS) return `${text.slice(0, TEXT_CHARACTERS)}…`;
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

/** The stack of what was thrown, with its causes and without the insides of Node. */
export function traceOf(thrown: unknown): string {
  const stacks: string[] = [];
  for (let error: unknown = thrown; error !== undefined && stacks.length < 5; ) {
    stacks.push(error instanceof Error ? (error.stack ?? summaryOf(error)) : summaryOf(error));
    error = error instanceof Error ? error.cause : undefined;
  }
  const lines = stacks.join('\nCaused by ').split('\n');
  return lines
    .filter((line) => !/^\s+at .*\(?node:internal\//.test(line))
    .slice(0, TRACE_LINES)
    .join('\n');
}
