// The three headers by which a request says to which sequence it belongs, and whether it begins or ends it. They are read here, and
// written as a handler looks them up: under the configured names to the letter, however the client has spelled them.
import type { HeaderPair } from './job.ts';

/** The names of the headers, as configured. */
export interface SequenceHeaderNames {
  readonly id: string;
  readonly start: string;
  readonly end: string;
}

/** TorchServe's names, which count where nobody configured others. */
export const SEQUENCE_HEADERS: SequenceHeaderNames = {
  id: 'ts_request_sequence_id',
  start: 'ts_request_sequence_start',
  end: 'ts_request_sequence_end',
};

/** The environment variables by which workers are told the names. */
const VARIABLES: SequenceHeaderNames = {
  id: 'TS_REQUEST_SEQUENCE_ID',
  start: 'TS_REQUEST_SEQUENCE_START',
  end: 'TS_REQUEST_SEQUENCE_END',
};

/** The names as variables for a worker. */
export function sequenceVariables({ id, start, end }: SequenceHeaderNames): Readonly<Record<string, string>> {
  return { [VARIABLES.id]: id, [VARIABLES.start]: start, [VARIABLES.end]: end };
}

/** The names as a worker finds them among its variables. */
export function sequenceNamesIn(env: Readonly<Record<string, string | undefined>>): SequenceHeaderNames {
  return {
    id: env[VARIABLES.id] ?? SEQUENCE_HEADERS.id,
    start: env[VARIABLES.start] ?? SEQUENCE_HEADERS.start,
    end: env[VARIABLES.end] ?? SEQUENCE_HEADERS.end,
  };
}

/** What a request says about its sequence. */
export interface SequenceMarks {
  /** Undefined when it names none. */
  readonly id: string | undefined;
  readonly isStart: boolean;
  readonly isEnd: boolean;
}

/** Reads the marks of a request; of a header that comes twice the last counts. */
export function sequenceMarks(headers: readonly HeaderPair[], names: SequenceHeaderNames): SequenceMarks {
  const id = lastValue(headers, names.id);
  return {
    id: id === '' ? undefined : id,
    isStart: isTrue(lastValue(headers, names.start)),
    isEnd: isTrue(lastValue(headers, names.end)),
  };
}

/** The headers with the marks as the handler wants them. A request that names no sequence begins a new one, with the id of `newId`. */
export function withSequenceMarks(
  headers: readonly HeaderPair[],
  names: SequenceHeaderNames,
  newId: () => string,
): HeaderPair[] {
  const id = lastValue(headers, names.id);
  const start = lastValue(headers, names.start);
  const end = lastValue(headers, names.end);
  const known = new Set([names.id, names.start, names.end].map((name) => name.toLowerCase()));
  const marked = headers.filter(([name]) => !known.has(name.toLowerCase()));
  const isNew = id === undefined || id === '';
  marked.push([names.id, isNew ? newId() : id]);
  if (isNew) marked.push([names.start, 'true']);
  else if (start !== undefined) marked.push([names.start, start]);
  if (end !== undefined) marked.push([names.end, end]);
  return marked;
}

/** The sequences that an answer ends: ids joined by `;` in the header of the end. */
export function endedSequences(headers: readonly HeaderPair[], names: SequenceHeaderNames): readonly string[] {
  if (headers.length === 0) return [];
  const ids = lastValue(headers, names.end)?.split(';') ?? [];
  return ids.map((id) => id.trim()).filter((id) => id !== '');
}

function lastValue(headers: readonly HeaderPair[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  return headers.findLast(([each]) => each.toLowerCase() === wanted)?.[1];
}

function isTrue(value: string | undefined): boolean {
  return value?.toLowerCase() === 'true';
}
