// From an error of ours to the error document of the chosen dialect.
import type { Dialect } from '../config/dialect.ts';
import type { ServingError } from '../core/errors.ts';

/** The body of every error answer, in this order of keys. */
export interface ErrorDocument {
  readonly code: number;
  readonly type: string;
  readonly message: string;
}

export function errorDocument(dialect: Dialect, error: ServingError): ErrorDocument {
  const row = dialect.errors[error.code];
  return {
    code: typeof row.status === 'number' ? row.status : row.status(error),
    type: typeof row.type === 'string' ? row.type : row.type(error),
    message: row.message === undefined ? error.message : row.message(error),
  };
}
