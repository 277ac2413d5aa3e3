// The key `warmup` of model-config.yaml: requests that every worker computes before it takes part. Whether a file is there shows when a
// worker starts; here it is only seen to that it would be one of the archive's.
import type { WarmupRequest } from '../core/warmup-request.ts';
import { contentTypeOf } from './file-content-type.ts';

const MAX_REQUESTS = 100;
const MAX_COUNT = 1_000;
const MAX_PATH_BYTES = 1_024;

/** A media type without parameters. */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/;

const KEYS: readonly string[] = ['file', 'body', 'contentType', 'count'];

/** Meets a value that cannot be used, by throwing or by a notice. */
export type OnWrong = (key: string, expected: string, value: unknown) => undefined;

/** Where wrong values do not throw, the requests that have one are left out. */
export function parseWarmup(value: unknown, onWrong: OnWrong): readonly WarmupRequest[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_REQUESTS) {
    onWrong('warmup', `expected a list of at most ${MAX_REQUESTS} requests, each with file or body`, value);
    return [];
  }
  return value.flatMap((entry: unknown, index) => parseRequest(entry, `warmup[${index}]`, onWrong) ?? []);
}

function parseRequest(entry: unknown, key: string, onWrong: OnWrong): WarmupRequest | undefined {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return onWrong(key, 'expected file or body, and perhaps contentType and count', entry);
  const fields = new Map<string, unknown>(Object.entries(entry));
  const [file, body] = [fields.get('file'), fields.get('body')];
  const { contentType, count = 1 } = { contentType: fields.get('contentType'), count: fields.get('count') };
  for (const name of fields.keys())
    if (!KEYS.includes(name)) return onWrong(`${key}.${name}`, `expected one of ${KEYS.join(', ')}`, fields.get(name));
  if ((file === undefined) === (body === undefined))
    return onWrong(key, 'expected either file or body, and not both', entry);
  if (file !== undefined && !isPathInside(file))
    return onWrong(`${key}.file`, 'expected the relative path of a file inside the archive', file);
  if (contentType !== undefined && (typeof contentType !== 'string' || !MEDIA_TYPE.test(contentType)))
    return onWrong(`${key}.contentType`, 'expected a media type without parameters, such as image/png', contentType);
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 1 || count > MAX_COUNT)
    return onWrong(`${key}.count`, `expected a whole number from 1 to ${MAX_COUNT}`, count);
  if (typeof file === 'string') return { body: { file }, contentType: contentType ?? contentTypeOf(file), count };
  if (typeof body === 'string') return { body: { text: body }, contentType: contentType ?? 'text/plain', count };
  return { body: { text: JSON.stringify(body) }, contentType: contentType ?? 'application/json', count };
}

/** The rule for every name that an archive gives to one of its files. */
function isPathInside(file: unknown): file is string {
  if (typeof file !== 'string' || Buffer.byteLength(file) > MAX_PATH_BYTES) return false;
  if (/\p{Cc}/u.test(file) || file.includes('\\') || file.startsWith('/') || /^[A-Za-z]:/.test(file)) return false;
  const components = file.split('/').filter((component) => component !== '' && component !== '.');
  return components.length > 0 && !components.includes('..');
}
