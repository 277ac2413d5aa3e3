// Archives for the bench: one large file of weights, stored or deflated, or many tiny files. They are streamed to the disk, so their size is
// bound by it and not by memory.
import { randomFillSync } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

const MIB = 1024 * 1024;
const HANDLER = 'def handle(data, context):\n    return ["served"] * len(data or [])\n';

/**
 * Writes a .mar with one file of so many mebibytes, of which deflate can spare about a fifth, as it can of many weights.
 * @param {string} path
 * @param {string} model its name
 * @param {{ mebibytes: number, compress: boolean }} options
 */
export function makeLargeArchive(path, model, { mebibytes, compress }) {
  const zip = begun(model);
  const level = compress ? { compressionLevel: 1 } : {};
  zip.addReadStream(Readable.from(weights(mebibytes)), 'weights.bin', { compress, size: mebibytes * MIB, ...level });
  return written(zip, path);
}

/**
 * Writes a .mar with so many files of some hundred bytes, in a hundred folders.
 * @param {string} path
 * @param {string} model its name
 * @param {number} count
 */
export function makeArchiveOfMany(path, model, count) {
  const zip = begun(model);
  const each = Math.ceil(count / 100);
  for (let index = 0; index < count; index += 1) {
    zip.addBuffer(Buffer.from(`file ${index}${' of many'.repeat(40)}`), `d${Math.floor(index / each)}/f${index}.txt`);
  }
  return written(zip, path);
}

function begun(model) {
  const zip = new ZipFile();
  const manifest = { runtime: 'python', model: { modelName: model, modelVersion: '1.0', handler: 'handler.py' } };
  zip.addBuffer(Buffer.from(JSON.stringify(manifest)), 'MAR-INF/MANIFEST.json');
  zip.addBuffer(Buffer.from(HANDLER), 'handler.py');
  return zip;
}

async function written(zip, path) {
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
}

function* weights(mebibytes) {
  const block = randomFillSync(Buffer.alloc(MIB));
  for (let index = 0; index < block.length; index += 4) block[index + 3] &= 0x3;
  for (let number = 0; number < mebibytes; number += 1) {
    block.writeUInt32LE(number, 0);
    yield Buffer.from(block);
  }
}
