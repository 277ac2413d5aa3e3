// What stands in the way of packing, told to the person at the terminal. Refusals of archives that exist already are unpack-limits.ts's.

/** `message` says what happened and what to do. */
export class PackError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = 'PackError';
  }
}

/** A file that was named and is not there. */
export class MissingFile extends PackError {
  /** Where it was named: `--serialized-file`. */
  readonly what: string;
  readonly path: string;

  constructor(what: string, path: string, advice = 'Correct the path.') {
    super(`${what}: there is no file ${path}. ${advice}`);
    this.name = 'MissingFile';
    this.what = what;
    this.path = path;
  }
}
