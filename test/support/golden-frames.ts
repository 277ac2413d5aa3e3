// The golden frames that the TypeScript and the Python tests share.
import { readFileSync } from 'node:fs';

export interface GoldenFrame {
  readonly name: string;
  readonly channel: 'data' | 'control';
  readonly from: 'server' | 'worker';
  /** Without `parts`. */
  readonly header: Readonly<Record<string, unknown>> & { readonly type: string };
  readonly parts: readonly Buffer[];
  readonly bytes: Buffer;
}

export interface BadFrame {
  readonly name: string;
  readonly refusal: string;
  readonly bytes: Buffer;
}

interface FramesFile {
  readonly frames: readonly {
    readonly name: string;
    readonly channel: 'data' | 'control';
    readonly from: 'server' | 'worker';
    readonly header: GoldenFrame['header'];
    readonly parts: readonly string[];
    readonly hex: string;
  }[];
  readonly bad: readonly { readonly name: string; readonly refusal: string; readonly hex: string }[];
}

const file = JSON.parse(readFileSync(new URL('../fixtures/frames/frames.json', import.meta.url), 'utf8')) as FramesFile;

export const GOLDEN_FRAMES: readonly GoldenFrame[] = file.frames.map(({ parts, hex, ...frame }) => ({
  ...frame,
  parts: parts.map((part) => Buffer.from(part, 'base64')),
  bytes: Buffer.from(hex, 'hex'),
}));

export const BAD_FRAMES: readonly BadFrame[] = file.bad.map(({ hex, ...frame }) => ({
  ...frame,
  bytes: Buffer.from(hex, 'hex'),
}));
