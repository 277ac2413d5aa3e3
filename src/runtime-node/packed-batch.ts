// A batch on its way from the control thread to the main one: its jobs as data, and all their values in one piece of memory, which changes
// threads without being copied.
import type { Part } from '../protocol/frame.ts';
import type { JobMessage } from '../protocol/messages.ts';

export interface PackedBatch {
  /** Counts the batches that the control thread has heard, from 1. */
  readonly number: bigint;
  readonly jobs: readonly JobMessage[];
  /** The values in the order of the frame's parts, each at the next multiple of ALIGNMENT_BYTES behind the one before. */
  readonly memory: ArrayBuffer;
  readonly lengths: readonly number[];
}

/** What the beginning of a value is a multiple of, so that a tensor of any type can be made over it. */
const ALIGNMENT_BYTES = 8;

/** Packs what a `predict` frame brought; its parts are copied once. */
export function packBatch(number: bigint, jobs: readonly JobMessage[], parts: readonly Part[]): PackedBatch {
  const lengths = parts.map((chunks) => chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  const offsets = offsetsOf(lengths);
  // Memory of its own that nobody fills with zeros first: every value is written below.
  const bytes = Buffer.allocUnsafeSlow(offsets.at(-1) ?? 0);
  for (const [index, chunks] of parts.entries()) {
    let at = offsets[index] ?? 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
  }
  return { number, jobs, memory: bytes.buffer as ArrayBuffer, lengths };
}

/** The values, as they lie in the batch's memory. */
export function valuesOf({ memory, lengths }: PackedBatch): Uint8Array[] {
  const offsets = offsetsOf(lengths);
  return lengths.map((length, index) => Buffer.from(memory, offsets[index], length));
}

/** Where each value begins, and behind the last one where the memory ends. */
function offsetsOf(lengths: readonly number[]): number[] {
  const offsets = [0];
  let end = 0;
  for (const length of lengths) {
    end += Math.ceil(length / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
    offsets.push(end);
  }
  return offsets;
}
