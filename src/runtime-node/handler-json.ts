// JSON of what handlers really return: typed arrays become lists, INT64 becomes a number as long as none of it is lost, and values that
// JSON.stringify would quietly turn into {} or null, or drop, are refused.

/** The JSON of a value. Throws a TypeError that says what cannot be said in JSON; a RangeError for a value that nests too deep. */
export function jsonText(value: unknown): string {
  // A replacer makes JSON.stringify several times slower, so only values that need it pay for it.
  const text = needsReplacer(value) ? stringifyCarefully(value) : JSON.stringify(value);
  if (text === undefined) throw new TypeError(`JSON has no word for ${typeof value}; return null for no value`);
  return text;
}

function needsReplacer(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value === 'bigint') return true;
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return someNeedReplacer(value);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return true;
  if (value instanceof Map) throw new TypeError('JSON has no Map; use Object.fromEntries(map)');
  if (value instanceof Set) throw new TypeError('JSON has no Set; use [...set]');
  if (value instanceof Promise) throw new TypeError('it holds a Promise; await it first');
  return someNeedReplacer(Object.values(value));
}

function someNeedReplacer(values: readonly unknown[]): boolean {
  for (const each of values) {
    // Most elements are numbers: they are looked at here, because a call for each would be the dearer part.
    if (typeof each === 'number' ? !Number.isFinite(each) : needsReplacer(each)) return true;
  }
  return false;
}

type Holder = Readonly<Record<string, unknown>>;

/** Throws a TypeError with the place of the first NaN or infinity that is really sent: an object's `toJSON` may leave it out. */
function stringifyCarefully(value: unknown): string {
  const places = new Map<unknown, string>();
  return JSON.stringify(value, function (this: Holder, key: string, given: unknown): unknown {
    if (typeof given === 'number' && Number.isFinite(given)) return given;
    const said = jsonValue(this[key], given);
    if (typeof said === 'object' && said !== null) places.set(said, placeOf(places.get(this), this, key));
    else if (typeof said === 'number' && !Number.isFinite(said)) {
      const place = placeOf(places.get(this), this, key);
      const where = place === '' ? `it is ${said}` : `it holds ${said} at ${place}`;
      throw new TypeError(`${where}, and JSON has neither NaN nor infinity; put null or a finite number there`);
    }
    return said;
  });
}

/** `scores[3]`; "" for the value that was given itself. */
function placeOf(holder: string | undefined, of: Holder, key: string): string {
  if (holder === undefined) return '';
  if (Array.isArray(of)) return `${holder}[${key}]`;
  return holder === '' ? key : `${holder}.${key}`;
}

/** `original` is what stands in the holder, `given` what JSON.stringify made of it by its `toJSON`. */
function jsonValue(original: unknown, given: unknown): unknown {
  if (typeof given === 'bigint') {
    if (given >= Number.MIN_SAFE_INTEGER && given <= Number.MAX_SAFE_INTEGER) return Number(given);
    throw new TypeError(`the BigInt ${given} is too large for a JSON number; return it as a string`);
  }
  // A Buffer comes with a toJSON of its own that has run by now, hence the look at the original.
  if (original instanceof ArrayBuffer) return Array.from(new Uint8Array(original));
  if (!ArrayBuffer.isView(original)) return given;
  if (original instanceof DataView) throw new TypeError('JSON has no DataView; return a typed array');
  return Array.from(original as unknown as ArrayLike<number | bigint>);
}
