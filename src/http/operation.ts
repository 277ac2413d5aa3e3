// One operation of an API: where it lives, what it takes, what it answers, and who handles it. Routes and the API description are both made
// from these records, so the description cannot say what the routes do not do.
import type { Exchange } from './exchange.ts';
import type { ErrorDocument } from './http-errors.ts';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

export interface OperationParameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly description: string;
  readonly type: 'string' | 'integer' | 'boolean';
  readonly isRequired?: boolean;
  readonly default?: string | number | boolean;
}

export interface Operation {
  readonly id: string;
  /** The first method is the one that clients should use. */
  readonly methods: readonly Method[];
  /** With `:name` for a path parameter, `::` for a colon behind one, `*` at the end for any further path. */
  readonly path: string;
  /** What a first part that is a parameter cannot be, because paths of other operations begin with it. */
  readonly reservedFirstParts?: readonly string[];
  readonly summary: string;
  readonly parameters?: readonly OperationParameter[];
  /** Media types of the request body, absent for none. */
  readonly bodyTypes?: readonly string[];
  /** Status → meaning. */
  readonly responses: Readonly<Record<number, string>>;
  readonly isDeprecated?: boolean;
  /** The form of error documents where a protocol has one of its own. */
  readonly describeError?: (document: ErrorDocument) => object;
  handle(exchange: Exchange): void | Promise<void>;
}

/** A parameter of the query; `fallback` is what counts without it. */
export function query(
  name: string,
  type: OperationParameter['type'],
  description: string,
  fallback?: string | number | boolean,
): OperationParameter {
  return { name, in: 'query', type, description, ...(fallback === undefined ? {} : { default: fallback }) };
}
