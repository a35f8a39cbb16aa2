// A segment's sparse index: the .index (last offset of a batch -> where it begins) and the
// .timeindex (highest timestamp so far -> last offset of the batch that brought it).
//
//   .index      | relative offset int32 | position int32 |                 8 bytes an entry
//   .timeindex  | timestamp int64       | relative offset int32 |         12 bytes an entry
//
// Big-endian, keys strictly rising: in the .timeindex only a new maximum is recorded, so a
// wall clock that goes back never lowers it. Source: Kafka's OffsetIndex and TimeIndex.
//
// Owns: the entries in memory, in the file's own layout. An index is a hint that the log can
//   always replace, so nothing here is an error: `isSane` says whether to believe a file.
// Never: searches (kernel) or touches a file (segment.ts).

import type { IndexTable } from "../kernel/kernel.ts";

export class SparseIndex implements IndexTable {
  readonly entrySizeBytes: 8 | 12;
  bytes: Uint8Array;
  count: number;
  version = 0;
  #view: DataView;

  constructor(entrySizeBytes: 8 | 12, bytes: Uint8Array = new Uint8Array(0)) {
    this.entrySizeBytes = entrySizeBytes;
    this.bytes = bytes;
    this.count = Math.floor(bytes.length / entrySizeBytes);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get sizeBytes(): number {
    return this.count * this.entrySizeBytes;
  }

  /** Relative offset, or timestamp. */
  keyAt(entry: number): number {
    const at = entry * this.entrySizeBytes;
    if (this.entrySizeBytes === 8) return this.#view.getInt32(at);
    return this.#view.getInt32(at) * 4294967296 + this.#view.getUint32(at + 4);
  }

  /** Position, or relative offset. */
  valueAt(entry: number): number {
    return this.#view.getInt32(entry * this.entrySizeBytes + this.entrySizeBytes - 4);
  }

  /** Appends unless the key would not rise, from 0 on. */
  append(key: number, value: number): void {
    if (key <= (this.count > 0 ? this.keyAt(this.count - 1) : -1)) return;
    const at = this.sizeBytes;
    if (at + this.entrySizeBytes > this.bytes.length) this.#grow();
    if (this.entrySizeBytes === 8) {
      this.#view.setInt32(at, key);
      this.#view.setInt32(at + 4, value);
    } else {
      this.#view.setInt32(at, Math.floor(key / 4294967296));
      this.#view.setUint32(at + 4, key >>> 0);
      this.#view.setInt32(at + 8, value);
    }
    this.count += 1;
  }

  /** Whether the entries rise, and their values lie in [0, valueLimit). */
  isSane(valueLimit: number): boolean {
    if (this.bytes.length % this.entrySizeBytes !== 0) return false;
    let key = -1;
    let value = -1;
    for (let entry = 0; entry < this.count; entry += 1) {
      const nextKey = this.keyAt(entry);
      const nextValue = this.valueAt(entry);
      if (nextKey <= key || nextValue <= value || nextValue >= valueLimit) return false;
      key = nextKey;
      value = nextValue;
    }
    return true;
  }

  #grow(): void {
    const grown = new Uint8Array(Math.max(16 * this.entrySizeBytes, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.sizeBytes));
    this.bytes = grown;
    this.#view = new DataView(grown.buffer);
    this.version += 1;
  }
}
