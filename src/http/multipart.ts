// multipart/form-data: named parts, their bytes untouched.
import { ServingError } from '../core/errors.ts';
import type { JobInput } from '../core/job.ts';
import { parseParameterizedHeader } from './media-type.ts';
import { MAX_INPUTS } from './payload.ts';

const DEFAULT_FILE_TYPE = 'application/octet-stream';

/** Reads the parts in their order. A plain field has no content type; a file has its own. Throws INVALID_BODY saying what is wrong. */
export async function parseMultipart(chunks: readonly Buffer[], boundary: string | undefined): Promise<JobInput[]> {
  if (boundary === undefined || boundary === '') throw malformed('its Content-Type names no boundary');
  const { Dicer } = await import('@fastify/busboy');
  return new Promise((resolve, reject) => {
    const inputs: JobInput[] = [];
    const parser = new Dicer({ boundary });
    let partCount = 0;
    parser.on('part', (part) => {
      partCount += 1;
      if (partCount > MAX_INPUTS) reject(malformed(`it has more than ${MAX_INPUTS} parts`));
      const bytes: Buffer[] = [];
      let description: Pick<JobInput, 'name' | 'contentType'> | undefined;
      part.on('header', (header) => {
        try {
          description = describePart(header as Readonly<Record<string, readonly string[] | undefined>>);
        } catch (error) {
          reject(error);
        }
      });
      part.on('data', (chunk: Buffer) => bytes.push(chunk));
      part.on('error', (error: Error) => reject(malformed(error.message)));
      part.on('end', () => {
        if (description === undefined) return reject(malformed('a part has no Content-Disposition'));
        const sizeBytes = bytes.reduce((sum, chunk) => sum + chunk.length, 0);
        inputs.push({ ...description, chunks: bytes, sizeBytes });
      });
    });
    parser.on('error', (error: Error) => reject(malformed(error.message)));
    parser.on('finish', () => resolve(inputs));
    for (const chunk of chunks) parser.write(chunk);
    parser.end();
  });
}

function describePart(
  header: Readonly<Record<string, readonly string[] | undefined>>,
): Pick<JobInput, 'name' | 'contentType'> {
  const disposition = parseParameterizedHeader(header['content-disposition']?.[0] ?? '');
  const name = utf8(disposition.parameters.get('name'));
  if (disposition.value !== 'form-data' || name === undefined) throw malformed('a part has no form-data name');
  const isFile = disposition.parameters.has('filename');
  const type = header['content-type']?.[0];
  if (!isFile) return { name, contentType: '' };
  return { name, contentType: type === undefined ? DEFAULT_FILE_TYPE : parseParameterizedHeader(type).value };
}

/** The parser gives headers byte by byte, as Latin-1; browsers and clients write them in UTF-8. */
function utf8(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'latin1').toString('utf8');
}

function malformed(why: string): ServingError {
  return new ServingError('INVALID_BODY', `The multipart/form-data body cannot be read: ${why}.`);
}
