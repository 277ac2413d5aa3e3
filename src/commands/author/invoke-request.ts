// The requests of `sconce invoke`: bytes from files, standard input or a flag, each with the content type that a client would send.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { ConfigError } from '../../config/config-error.ts';
import { ANY_BYTES, contentTypeOf } from '../../config/file-content-type.ts';
import type { HeaderPair, JobRequest } from '../../core/job.ts';
import { DEFAULT_PRIORITY } from '../../core/priority.ts';
import { inputsOf } from '../../http/payload.ts';

/** What the flags say about every request. */
export interface RequestFlags {
  readonly json?: string;
  readonly contentType?: string;
  readonly header?: readonly string[];
  readonly explain?: boolean;
}

export interface InvokeRequest extends JobRequest {
  /** Where its body came from, for people. */
  readonly label: string;
}

const HEADER = /^(?<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(?<value>[^\r\n\0]*)$/;

/** The requests in the order of the files, that of `--json` last. Throws ConfigError for a file or a flag that cannot be read. */
export async function readRequests(files: readonly string[], flags: RequestFlags): Promise<InvokeRequest[]> {
  if (files.length === 0 && flags.json === undefined)
    throw new ConfigError("there is no request; name files, - for standard input, or --json '…'");
  if (files.filter((file) => file === '-').length > 1) throw new ConfigError('standard input (-) can be read once');
  const headers = (flags.header ?? []).map(parseHeader);
  const requests: InvokeRequest[] = [];
  for (const file of files) {
    const bytes = await bytesOf(file);
    const contentType = flags.contentType ?? (file === '-' ? typeOfText(bytes) : contentTypeOf(file));
    requests.push(await request(file === '-' ? 'standard input' : basename(file), bytes, contentType, headers, flags));
  }
  if (flags.json !== undefined) {
    const bytes = Buffer.from(flags.json);
    if (typeOfText(bytes) === ANY_BYTES) throw new ConfigError(`--json ${flags.json}: this is not JSON`);
    requests.push(await request('--json', bytes, flags.contentType ?? 'application/json', headers, flags));
  }
  return requests;
}

async function request(
  label: string,
  bytes: Buffer,
  contentType: string,
  headers: readonly HeaderPair[],
  { explain }: RequestFlags,
): Promise<InvokeRequest> {
  return {
    label,
    requestId: randomUUID(),
    kind: explain === true ? 'explain' : 'predict',
    // The last two are the server's own, as it adds them to a request over HTTP.
    headers: [
      ['Content-Type', contentType],
      ...headers,
      ['explain', explain === true ? 'True' : 'False'],
      ['url_path', ''],
    ],
    inputs: await inputsOf({ chunks: [bytes], sizeBytes: bytes.length }, contentType, ''),
    requestedVersion: undefined,
    priority: DEFAULT_PRIORITY,
  };
}

function parseHeader(text: string): HeaderPair {
  const { name, value } = HEADER.exec(text)?.groups ?? {};
  if (name === undefined || value === undefined)
    throw new ConfigError(`--header ${JSON.stringify(text)}: expected "Name: value"`);
  return [name, value];
}

async function bytesOf(file: string): Promise<Buffer> {
  if (file === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }
  return readFile(file).catch((error: NodeJS.ErrnoException) => {
    const problem = error.code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${error.code})`;
    throw new ConfigError(`${file}: ${problem}`);
  });
}

/** JSON, if that is what it is: what comes through a pipe has no name to go by. */
function typeOfText(bytes: Buffer): string {
  try {
    JSON.parse(bytes.toString('utf8'));
    return 'application/json';
  } catch {
    return ANY_BYTES;
  }
}
