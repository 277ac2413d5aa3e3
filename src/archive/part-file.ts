// The bytes of a file while they arrive: written, counted and hashed on their way, and never more than the disk or the limit allows. Where
// they come from is not known here; the file's name, and its end, are hidden-file.ts's business.
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, statfs } from 'node:fs/promises';

/** Why a file cannot take what would be written; the message continues "Failed to download archive from …: ". */
export class NoRoom extends Error {}

export class PartFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #maxBytes: number;
  #hash: Hash = createHash('sha256');
  #bytes = 0;

  private constructor(path: string, handle: FileHandle, maxBytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.#maxBytes = maxBytes;
  }

  /** Makes the file, which may become `maxBytes` long. */
  static async create(path: string, maxBytes: number): Promise<PartFile> {
    return new PartFile(path, await open(path, 'wx', 0o644), maxBytes);
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Throws NoRoom when a file of `totalBytes` would be too large, or does not fit on the disk. */
  async expect(totalBytes: number): Promise<void> {
    this.#checkSize(totalBytes);
    const { bavail, bsize } = await statfs(this.#path);
    const free = bavail * bsize;
    if (totalBytes - this.#bytes > free) {
      throw new NoRoom(`it has ${totalBytes} bytes, and the disk of the model store has ${free} bytes left`);
    }
  }

  /** Appends. Throws NoRoom before the file grows beyond its bound. The piece may be used anew when this has resolved. */
  async write(piece: Buffer): Promise<void> {
    this.#checkSize(this.#bytes + piece.length);
    this.#hash.update(piece);
    let written = 0;
    while (written < piece.length) {
      const { bytesWritten } = await this.#handle.write(piece, written, piece.length - written, this.#bytes);
      written += bytesWritten;
      this.#bytes += bytesWritten;
    }
  }

  /** Begins anew with no bytes. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash('sha256');
    this.#bytes = 0;
  }

  /** Resolves when everything is on the disk, with the lower-case hex SHA-256. */
  async finish(): Promise<string> {
    await this.#handle.sync();
    return this.#hash.digest('hex');
  }

  /** Can be called again. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  #checkSize(bytes: number): void {
    if (bytes > this.#maxBytes) throw new NoRoom(`it is larger than max_download_size, ${this.#maxBytes} bytes`);
  }
}
