// What `sconce invoke` does with an answer: to a terminal JSON is laid out and bytes are only counted, everything else gets them as they are.
import { once } from 'node:events';
import { constants, createWriteStream, type WriteStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { ConfigError } from '../../config/config-error.ts';
import type { Job, OutputPart } from '../../core/job.ts';
import { systemReason } from '../terminal/failure.ts';

export interface AnswerOptions {
  /** Bytes go there one to one; undefined for standard output. */
  readonly outputFile: string | undefined;
  /** Whether a person reads standard output. */
  readonly isTerminal: boolean;
}

/** How the handler answered. */
export interface AnswerHead {
  readonly status: number;
  readonly contentType: string;
  readonly sizeBytes: number;
}

/** Standard output is gone, or the file cannot be written any further. */
export class LostOutput extends Error {
  /** Whether that is because the reader went away, who has seen enough then. */
  readonly isClosed: boolean;

  constructor(cause: NodeJS.ErrnoException) {
    super(systemReason(cause), { cause });
    this.name = 'LostOutput';
    this.isClosed = cause.code === 'EPIPE';
  }
}

/** Whether an answer can be written to this file: better known before a model is loaded. Throws ConfigError. */
export async function checkOutputFile(path: string): Promise<void> {
  try {
    await access(path, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return access(dirname(resolve(path)), constants.W_OK);
    });
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** Reads all parts of the answer and writes them out. Fails with the job's error, or with LostOutput. */
export async function writeAnswer(job: Job, { outputFile, isTerminal }: AnswerOptions): Promise<AnswerHead> {
  const first = await job.next();
  const file = outputFile === undefined ? undefined : await openFile(outputFile);
  const target = file ?? process.stdout;
  let sizeBytes = 0;
  let lastByte: number | undefined;
  const isForPeople = isTerminal && file === undefined;
  for (let part = first; ; part = await job.next()) {
    sizeBytes += part.sizeBytes;
    const bytes = isForPeople ? readable(part, part === first && part.isLast) : Buffer.concat(part.chunks);
    lastByte = bytes.at(-1) ?? lastByte;
    await write(target, bytes);
    if (part.isLast) break;
  }
  // Several answers, and the prompt after the last one, begin on lines of their own.
  if (file === undefined && first.encoding !== 'binary' && lastByte !== 0x0a) await write(target, Buffer.from('\n'));
  if (file !== undefined) {
    file.end();
    await once(file, 'close');
  }
  return { status: first.status, contentType: contentTypeOf(first), sizeBytes };
}

/** The part for somebody's eyes; only a whole document can be laid out. */
function readable(part: OutputPart, isWhole: boolean): Buffer {
  const bytes = Buffer.concat(part.chunks);
  if (part.encoding === 'binary')
    return Buffer.from(`[${bytes.length} bytes of ${contentTypeOf(part)}; --output FILE writes them]\n`);
  if (part.encoding !== 'json' || !isWhole) return bytes;
  try {
    return Buffer.from(`${JSON.stringify(JSON.parse(bytes.toString('utf8')), undefined, 2)}\n`);
  } catch {
    return bytes;
  }
}

function contentTypeOf({ headers, encoding }: OutputPart): string {
  const own = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  return own ?? { json: 'application/json', text: 'text/plain', binary: 'application/octet-stream' }[encoding];
}

async function openFile(path: string): Promise<WriteStream> {
  const file = createWriteStream(path);
  try {
    await once(file, 'open');
    // Each write hears of its own failure.
    return file.on('error', () => {});
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): ConfigError {
  return new ConfigError(`--output ${path}: ${systemReason(error)}`);
}

/** Fails when the bytes cannot be written, and when nobody reads them any more. */
function write(target: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    target.write(bytes, (error) => (error ? reject(new LostOutput(error)) : resolve()));
  });
}
