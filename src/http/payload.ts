// From the body and query of a prediction to the handler's named inputs. Bytes are handed on as they came: what they mean is the
// worker's business.
import { ServingError } from '../core/errors.ts';
import type { JobInput } from '../core/job.ts';
import type { BodyContent } from './arriving-body.ts';
import { parseParameterizedHeader } from './media-type.ts';
import { parseMultipart } from './multipart.ts';
import { wholeBody, withBodyBytes } from './open-body.ts';

/** The most inputs that one request may have: each costs memory here and a line in the frame to the worker, however short it is. */
const MAX_INPUTS = 1_000;
const MAX_NAME_CHARACTERS = 32_768;
const MAX_FORM_BYTES = 8 * 1024 * 1024;

/** Behind most forms that make no sense is a tool that calls every body a form. */
const NO_FORM_HINT =
  'A body that is no form needs its own Content-Type; with curl, send a file by -T FILE, and JSON with -H "Content-Type: application/json".';

/**
 * The inputs of a request: query values first where they count, then the form's fields, or the one input `body`. Rejects with INVALID_BODY
 * for a form that cannot be read.
 */
export async function inputsOf(body: BodyContent, contentType: string, query: string): Promise<JobInput[]> {
  const fields = query === '' ? [] : formFields(query);
  if (contentType === '') return checkNames([...fields, bodyInput(body, '')]);
  const { value, parameters } = parseParameterizedHeader(contentType);
  if (value === 'multipart/form-data') {
    const boundary = parameters.get('boundary');
    const parts = await withBodyBytes(body, (bytes) => parseMultipart(bytes, boundary, MAX_INPUTS));
    return checkNames([...fields, ...parts]);
  }
  if (value === 'application/x-www-form-urlencoded')
    return checkNames([...fields, ...formFields(await formText(body))]);
  return checkNames([...fields, bodyInput(body, value)]);
}

/** Names travel in the header of the frame to the worker, which has a bound of its own for the whole batch. */
function checkNames(inputs: JobInput[]): JobInput[] {
  const characters = inputs.reduce((sum, { name, contentType }) => sum + name.length + contentType.length, 0);
  if (characters <= MAX_NAME_CHARACTERS) return inputs;
  throw new ServingError(
    'INVALID_BODY',
    `The names of the form or query fields have more than ${MAX_NAME_CHARACTERS} characters together. ${NO_FORM_HINT}`,
  );
}

/** A body of the Open Inference Protocol is JSON, or JSON with binary data behind it, whatever a client's tool calls it. */
export function tensorInput(body: BodyContent, contentType: string): JobInput {
  const isBinary = parseParameterizedHeader(contentType).value === 'application/octet-stream';
  return bodyInput(body, isBinary ? 'application/octet-stream' : 'application/json');
}

function bodyInput({ chunks, sizeBytes, file }: BodyContent, contentType: string): JobInput {
  const input = { name: 'body', contentType, chunks, sizeBytes };
  return file === undefined ? input : { ...input, stored: { path: file, offsetBytes: 0 } };
}

/** A form of this kind has to be decoded here and at once, so it must not be long. */
async function formText(body: BodyContent): Promise<string> {
  if (body.sizeBytes <= MAX_FORM_BYTES) return (await wholeBody(body)).toString('utf8');
  const message = `An application/x-www-form-urlencoded body may have at most ${MAX_FORM_BYTES} bytes; send large values as multipart/form-data, or as the body itself.`;
  throw new ServingError('INVALID_BODY', message);
}

/** Throws INVALID_BODY for more fields than a request may have, before they are taken apart. */
function formFields(text: string): JobInput[] {
  let count = 1;
  for (let end = text.indexOf('&'); end >= 0; end = text.indexOf('&', end + 1)) {
    count += 1;
    if (count > MAX_INPUTS)
      throw new ServingError(
        'INVALID_BODY',
        `The request has more than ${MAX_INPUTS} form or query fields. ${NO_FORM_HINT}`,
      );
  }
  return [...new URLSearchParams(text)].map(([name, value]) => {
    const bytes = Buffer.from(value);
    return { name, contentType: '', chunks: [bytes], sizeBytes: bytes.length };
  });
}
