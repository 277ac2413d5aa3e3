// JSON as the Management API prints it: two spaces, absent values left out, one newline at the end.

export function prettyJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
