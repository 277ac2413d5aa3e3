// What the first bytes of a picture tell without decoding it: its kind, and the samples that Pillow makes levels of in a way of its own.

export type ImageKind = 'PNG' | 'JPEG' | 'WebP';

/** The kind of picture that the first bytes promise; undefined for what is not read. */
export function imageKind(bytes: Uint8Array): ImageKind | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(12, bytes.length)).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'PNG';
  if (head.startsWith('\xff\xd8\xff')) return 'JPEG';
  if (head.startsWith('RIFF') && head.slice(8) === 'WEBP') return 'WebP';
  return undefined;
}

/** How the samples of a picture have to be read: `cmyk` has four inks, `grey16` one level of 16 bits, `usual` all else. */
export function imageSamples(bytes: Uint8Array): 'usual' | 'cmyk' | 'grey16' {
  const kind = imageKind(bytes);
  if (kind === 'JPEG') return jpegComponents(bytes) === 4 ? 'cmyk' : 'usual';
  // A PNG's header comes first and has its bits at byte 24, its colour type at byte 25: 0 is grey without alpha.
  return kind === 'PNG' && bytes[24] === 16 && bytes[25] === 0 ? 'grey16' : 'usual';
}

/** From the frame header of a JPEG; undefined when there is none. */
function jpegComponents(bytes: Uint8Array): number | undefined {
  let at = 2;
  while (at + 9 < bytes.length) {
    const marker = bytes[at + 1] ?? 0;
    if (bytes[at] !== 0xff) return undefined;
    // A marker may have more than one 0xff before it.
    if (marker === 0xff) at += 1;
    else {
      const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
      if (isFrame) return bytes[at + 9];
      at += 2 + ((bytes[at + 2] ?? 0) << 8) + (bytes[at + 3] ?? 0);
    }
  }
  return undefined;
}
