// Which names and versions a model may have. They appear in URLs, logs, metric labels and state files, so the grammar is strict;
// every door that takes a name (manifest, request, configuration) asks here.

const MODEL_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const MODEL_VERSION = /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$/;

/** The grammar of names in words, for error messages. */
export const MODEL_NAME_RULE =
  'letters, digits, "_", "-" and ".", starting with a letter, a digit or "_", at most 128 characters';

/** The grammar of versions in words, for error messages. */
export const MODEL_VERSION_RULE =
  'letters, digits, "_", "-", "+" and ".", starting with a letter, a digit or "_", at most 128 characters';

/** Whether a model may be called this. */
export function isModelName(text: string): boolean {
  // The one name that plain objects treat as something else than a key.
  return MODEL_NAME.test(text) && text !== '__proto__';
}

/** Whether a version of a model may be called this. */
export function isModelVersion(text: string): boolean {
  return MODEL_VERSION.test(text) && text !== '__proto__';
}
