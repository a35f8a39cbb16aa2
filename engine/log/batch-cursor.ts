// Goes through the whole batches of a log file, a piece of it in memory at a time.
//
// Owns: reading on. Never: checks a checksum, or looks into a batch (records.ts).
//
// Invariant: the memory is a piece, or the largest batch met, which is at most limits.maxRunBytes.

import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import type { StorageFile } from "../port/storage.ts";
import { BatchHeader, headerSizeBytes } from "./record-batch.ts";

const pieceBytes = 512 * 1024;

export class BatchCursor {
  readonly #file: StorageFile;
  readonly #to: number;
  #header: BatchHeader = new BatchHeader(new Uint8Array(0));
  #buffer: Uint8Array = new Uint8Array(0);
  /** Where in the file what is held begins. */
  #from: number;
  /** Where in what is held the next batch begins. */
  #next = 0;

  /** From and to lie on batch boundaries. */
  constructor(file: StorageFile, from: number, to: number) {
    this.#file = file;
    this.#from = from;
    this.#to = to;
  }

  /** Of the batch that `next` gave last. */
  get position(): number {
    return this.#from + this.#header.position;
  }

  /** Where the batch after it begins. */
  get nextPosition(): number {
    return this.#from + this.#next;
  }

  /** The next batch, whole in the header's bytes until the next call; null at the end. Throws CORRUPT_MESSAGE for what is none. */
  async next(): Promise<BatchHeader | null> {
    for (let wanted = pieceBytes; ; ) {
      const header = this.#header;
      const held = header.bytes.length - this.#next;
      if (held >= headerSizeBytes) {
        header.position = this.#next;
        const { sizeBytes, magic } = header;
        const isBatch = magic === 2 && sizeBytes >= headerSizeBytes && sizeBytes <= maxRunBytes;
        if (!isBatch || this.nextPosition + sizeBytes > this.#to) throw this.#corrupt();
        if (sizeBytes <= held) {
          this.#next += sizeBytes;
          return header;
        }
        wanted = Math.max(pieceBytes, sizeBytes);
      }
      if (this.nextPosition >= this.#to) return null;
      await this.#read(Math.min(wanted, this.#to - this.nextPosition));
      if (this.#header.bytes.length <= held) throw this.#corrupt();
    }
  }

  async #read(sizeBytes: number): Promise<void> {
    const from = this.nextPosition;
    if (this.#buffer.length < sizeBytes) this.#buffer = new Uint8Array(sizeBytes);
    const length = await this.#file.read(this.#buffer.subarray(0, sizeBytes), from);
    this.#header = new BatchHeader(this.#buffer.subarray(0, length));
    this.#from = from;
    this.#next = 0;
  }

  #corrupt(): MoldauError {
    return new MoldauError("CORRUPT_MESSAGE", `no batch at byte ${this.nextPosition} of ${this.#file.path}`);
  }
}

/** The batch as a view. */
export function batchBytes({ bytes, position, sizeBytes }: BatchHeader): Uint8Array {
  return bytes.subarray(position, position + sizeBytes);
}
