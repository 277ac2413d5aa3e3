// `type/subtype; name="value"` and its kin (Content-Type, Content-Disposition) taken apart.

export interface ParameterizedHeader {
  /** What stands before the first `;`, in lower case. */
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const PARAMETER = /;\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g;

export function parseParameterizedHeader(text: string): ParameterizedHeader {
  const end = text.indexOf(';');
  const value = (end < 0 ? text : text.slice(0, end)).trim().toLowerCase();
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, bare = ''] of end < 0 ? [] : text.slice(end).matchAll(PARAMETER)) {
    parameters.set(name.toLowerCase(), quoted === undefined ? bare : quoted.replaceAll(/\\(["\\])/g, '$1'));
  }
  return { value, parameters };
}
