// JSON of what handlers really return: typed arrays become lists, INT64 becomes a number as long as none of it is lost, and values that
// JSON.stringify would quietly turn into {} or drop are refused.

/** The JSON of a value. Throws a TypeError that says what cannot be said in JSON; a RangeError for a value that nests too deep. */
export function jsonText(value: unknown): string {
  // A replacer makes JSON.stringify several times slower, so only values that need it pay for it.
  const text = needsReplacer(value) ? JSON.stringify(value, replace) : JSON.stringify(value);
  if (text === undefined) throw new TypeError(`JSON has no word for ${typeof value}; return null for no value`);
  return text;
}

function needsReplacer(value: unknown): boolean {
  if (typeof value === 'bigint') return true;
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(needsReplacer);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return true;
  if (value instanceof Map) throw new TypeError('JSON has no Map; use Object.fromEntries(map)');
  if (value instanceof Set) throw new TypeError('JSON has no Set; use [...set]');
  if (value instanceof Promise) throw new TypeError('it holds a Promise; await it first');
  for (const each of Object.values(value)) if (needsReplacer(each)) return true;
  return false;
}

function replace(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) return Number(value);
    throw new TypeError(`the BigInt ${value} is too large for a JSON number; return it as a string`);
  }
  // A Buffer comes with a toJSON of its own that has run by now, hence the look at the original.
  const original = this[key];
  if (original instanceof ArrayBuffer) return Array.from(new Uint8Array(original));
  if (!ArrayBuffer.isView(original)) return value;
  if (original instanceof DataView) throw new TypeError('JSON has no DataView; return a typed array');
  return Array.from(original as unknown as ArrayLike<number | bigint>);
}
