// The smallest PNG encoder that tests need: greyscale, eight bits a pixel, unfiltered. Decoding is left to what is under test.

import { crc32, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** An image as PNG bytes, from its grey levels (0 is black, 255 white) row by row; RangeError when their number is not width x height. */
export function encodeGreyPng(widthPixels: number, heightPixels: number, greys: Uint8Array): Buffer {
  if (greys.length !== widthPixels * heightPixels) {
    throw new RangeError(`${widthPixels} x ${heightPixels} pixels need as many grey levels, got ${greys.length}`);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(widthPixels, 0);
  header.writeUInt32BE(heightPixels, 4);
  header.writeUInt8(8, 8); // bits a sample; the zeros after it: greyscale, deflate, the standard filters, not interlaced

  // Each row begins with the number of its filter, and 0 is none.
  const rows = Buffer.alloc(heightPixels * (widthPixels + 1));
  for (let row = 0; row < heightPixels; row += 1) {
    rows.set(greys.subarray(row * widthPixels, (row + 1) * widthPixels), row * (widthPixels + 1) + 1);
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const lengthBytes = Buffer.alloc(4);
  lengthBytes.writeUInt32BE(data.length);
  const named = Buffer.concat([Buffer.from(type, 'ascii'), data]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(named));
  return Buffer.concat([lengthBytes, named, checksum]);
}
