// The bytes of a body that is here as a whole, for those who look into it: of one in memory at once, of one in a file by a file of code that only
// such a body loads.
import type { BodyContent } from './arriving-body.ts';
import { type BodyBytes, memoryBytes } from './body-bytes.ts';

/** Calls back with the bytes of a body; they can be read until the result has resolved. */
export async function withBodyBytes<Result>(
  { chunks, file }: BodyContent,
  use: (bytes: BodyBytes) => Promise<Result>,
): Promise<Result> {
  if (file === undefined) return use(memoryBytes(chunks));
  const { openStoredBytes } = await import('./stored-bytes.ts');
  const bytes = await openStoredBytes(file);
  try {
    return await use(bytes);
  } finally {
    await bytes.close();
  }
}

/** All bytes of a body in one buffer; for bodies whose length was checked. */
export async function wholeBody(body: BodyContent): Promise<Buffer> {
  if (body.file === undefined) return Buffer.concat(body.chunks);
  return withBodyBytes(body, async (bytes) => bytes.copy(0, body.sizeBytes));
}
