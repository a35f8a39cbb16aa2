// The entries of an .index or a .timeindex, page by page.
//
// Owns: their layout (sparse-index.ts draws it) and the bytes behind the last whole entry.
// Never: more than a page in memory, or a judgement of an entry.

import type { StorageFile } from "../../port/storage.ts";

const entriesPerPage = 8192;

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
  /** Whole entries of the file; fewer once it turned out to be shorter. */
  #count: number;
  /** The page's entries, by number. */
  #from = 0;
  #to = 0;
  #next = 0;

  constructor(file: StorageFile, entrySizeBytes: 8 | 12) {
    this.file = file;
    this.entrySizeBytes = entrySizeBytes;
    this.#count = Math.floor(file.sizeBytes / entrySizeBytes);
    this.#page = new Uint8Array(Math.min(entriesPerPage, this.#count) * entrySizeBytes);
    this.#view = new DataView(this.#page.buffer);
  }

  get trailingBytes(): number {
    return this.file.sizeBytes % this.entrySizeBytes;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** One past the last entry of the page in memory. */
  get loadedTo(): number {
    return this.#to;
  }

  /** Makes `entry`, by its number, the first one of the page in memory. */
  async load(entry: number): Promise<void> {
    const { entrySizeBytes } = this;
    const wanted = Math.min(entriesPerPage, this.#count - entry) * entrySizeBytes;
    const length = await this.file.read(this.#page.subarray(0, wanted), entry * entrySizeBytes);
    this.#from = entry;
    this.#to = entry + Math.floor(length / entrySizeBytes);
    if (length < wanted) this.#count = this.#to;
  }

  /** Of an entry of the page in memory. */
  keyAt(entry: number): number {
    const at = (entry - this.#from) * this.entrySizeBytes;
    const high = this.#view.getInt32(at);
    return this.entrySizeBytes === 8 ? high : high * 4294967296 + this.#view.getUint32(at + 4);
  }

  /** Of an entry of the page in memory. */
  valueAt(entry: number): number {
    return this.#view.getInt32((entry - this.#from + 1) * this.entrySizeBytes - 4);
  }

  /** The next entry; null behind the last whole one. */
  async next(): Promise<IndexEntry | null> {
    const entry = this.#next;
    if (entry >= this.#to) {
      if (entry < this.#count) await this.load(entry);
      if (entry >= this.#count) return null;
    }
    this.#next += 1;
    return { key: this.keyAt(entry), value: this.valueAt(entry), position: entry * this.entrySizeBytes };
  }
}
