// From the body and query of a prediction to the handler's named inputs. Bytes are handed on as they came: what they mean is the
// worker's business.
import { ServingError } from '../core/errors.ts';
import type { JobInput } from '../core/job.ts';
import type { Body } from './exchange.ts';
import { parseParameterizedHeader } from './media-type.ts';
import { parseMultipart } from './multipart.ts';

/** The most inputs that one request may have: each costs memory here and a line in the frame to the worker, however short it is. */
const MAX_INPUTS = 1_000;

/**
 * The inputs of a request: query values first where they count, then the form's fields, or the one input `body`. Throws INVALID_BODY for a
 * form that cannot be read.
 */
export function inputsOf(body: Body, contentType: string, query: string): JobInput[] {
  const fields = query === '' ? [] : formFields(query);
  if (contentType === '') return [...fields, bodyInput(body, '')];
  const { value, parameters } = parseParameterizedHeader(contentType);
  if (value === 'multipart/form-data')
    return [...fields, ...parseMultipart(body.chunks, parameters.get('boundary'), MAX_INPUTS)];
  if (value === 'application/x-www-form-urlencoded')
    return [...fields, ...formFields(Buffer.concat(body.chunks).toString('utf8'))];
  return [...fields, bodyInput(body, value)];
}

function bodyInput(body: Body, contentType: string): JobInput {
  return { name: 'body', contentType, chunks: body.chunks, sizeBytes: body.sizeBytes };
}

/** Throws INVALID_BODY for more fields than a request may have, before they are taken apart. */
function formFields(text: string): JobInput[] {
  let count = 1;
  for (let end = text.indexOf('&'); end >= 0; end = text.indexOf('&', end + 1)) {
    count += 1;
    if (count > MAX_INPUTS)
      throw new ServingError('INVALID_BODY', `The request has more than ${MAX_INPUTS} form or query fields.`);
  }
  return [...new URLSearchParams(text)].map(([name, value]) => {
    const bytes = Buffer.from(value);
    return { name, contentType: '', chunks: [bytes], sizeBytes: bytes.length };
  });
}
