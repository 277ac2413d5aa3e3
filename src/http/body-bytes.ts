// A body as one piece to search and to cut, wherever its bytes are; here are those in memory.
import type { JobInput } from '../core/job.ts';
import { ChunkList } from './chunk-list.ts';

/** A piece of a body as the value of an input. */
export type Piece = Pick<JobInput, 'chunks' | 'sizeBytes' | 'stored'>;

export interface BodyBytes {
  /** Where `pattern` stands first at or after `from`; -1 when it does not. */
  indexOf(pattern: Buffer, from: number): number | Promise<number>;
  /** The bytes from `start` up to `end`, as far as there are any, in one buffer; for short pieces. */
  copy(start: number, end: number): Buffer | Promise<Buffer>;
  /** The bytes from `start` up to `end` as a value. */
  piece(start: number, end: number): Piece | Promise<Piece>;
}

/** The bytes of chunks; pieces are views of them. */
export function memoryBytes(chunks: readonly Buffer[]): BodyBytes {
  const list = new ChunkList(chunks);
  return {
    indexOf: (pattern, from) => list.indexOf(pattern, from),
    copy: (start, end) => list.copy(start, end),
    piece: (start, end) => ({ chunks: list.slice(start, end), sizeBytes: end - start }),
  };
}
