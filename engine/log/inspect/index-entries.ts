// The entries of an .index or a .timeindex, page by page.
//
// Owns: their layout (sparse-index.ts draws it) and the bytes behind the last whole entry.
// Never: more than a page in memory, or a judgement of an entry.

import type { StorageFile } from "../../port/storage.ts";

const entriesPerPage = 4096;

export interface IndexEntry {
  /** Relative offset, or timestamp. Beyond 2^53 a timestamp is rounded, but never to a safe integer. */
  readonly key: number;
  /** Position, or relative offset. */
  readonly value: number;
  /** Where the entry lies in its file. Bytes. */
  readonly position: number;
}

export class IndexEntries {
  readonly file: StorageFile;
  readonly entrySizeBytes: 8 | 12;
  readonly #page: Uint8Array;
  readonly #view: DataView;
  /** The page's bytes, and where they begin in the file. */
  #length = 0;
  #start = 0;
  #position = 0;

  constructor(file: StorageFile, entrySizeBytes: 8 | 12) {
    this.file = file;
    this.entrySizeBytes = entrySizeBytes;
    this.#page = new Uint8Array(Math.min(entriesPerPage, Math.ceil(file.sizeBytes / entrySizeBytes)) * entrySizeBytes);
    this.#view = new DataView(this.#page.buffer);
  }

  get trailingBytes(): number {
    return this.file.sizeBytes % this.entrySizeBytes;
  }

  /** The next entry; null behind the last whole one. */
  async next(): Promise<IndexEntry | null> {
    const position = this.#position;
    if (position + this.entrySizeBytes > this.#start + this.#length) {
      this.#start = position;
      this.#length = await this.file.read(this.#page, position);
      if (this.#length < this.entrySizeBytes) return null;
    }
    this.#position += this.entrySizeBytes;
    const at = position - this.#start;
    const value = this.#view.getInt32(at + this.entrySizeBytes - 4);
    const high = this.#view.getInt32(at);
    const key = this.entrySizeBytes === 8 ? high : high * 4294967296 + this.#view.getUint32(at + 4);
    return { key, value, position };
  }
}
