// Where a YAML file says something: the line of a key, for findings that name one.

/** The line, from 1, of a key like `image.resize.filter`, or of the last part of its path that has a line of its own; undefined for none. */
export function lineOfKey(text: string, path: string): number | undefined {
  const lines = text.split('\n');
  let found = -1;
  for (const [depth, key] of path.split('.').entries()) {
    const indent = depth === 0 ? '' : '\\s+';
    const isKey = new RegExp(`^${indent}["']?${key}["']?\\s*:`);
    const at = key === '' ? -1 : lines.findIndex((line, index) => index > found && isKey.test(line));
    if (at < 0) break;
    found = at;
  }
  return found < 0 ? undefined : found + 1;
}
