// Which index table's keys lie where in the kernel's memory.
//
// Owns: the copies' places in one region, first fit; the one longest unused makes room.
// Never: writes the region (wasm.ts), or keeps a table alive.
//
// Invariants: copies don't overlap and are sorted by position; a copy's version is its table's,
//   so its first `count` keys are the table's.

import type { IndexTable } from "./kernel.ts";

export interface IndexCopy {
  readonly position: number;
  readonly sizeBytes: number;
  readonly version: number;
  /** Keys copied so far; the holder appends and counts up. */
  count: number;
  lastUse: number;
  evicted: boolean;
}

const smallestCopyKeys = 256;
/** Columns begin on cache lines. Bytes. */
const alignment = 64;

export class IndexCache {
  readonly #start: number;
  readonly #end: number;
  readonly #byTable = new WeakMap<IndexTable, IndexCopy>();
  #copies: IndexCopy[] = [];
  #uses = 0;

  constructor(position: number, sizeBytes: number) {
    this.#start = Math.ceil(position / alignment) * alignment;
    this.#end = position + sizeBytes;
  }

  /** The table's copy, perhaps behind by what was appended since; null when the table is too large. */
  copyOf(table: IndexTable, keySizeBytes: 4 | 8): IndexCopy | null {
    const held = this.#byTable.get(table);
    if (held !== undefined && !held.evicted) {
      if (held.version === table.version && held.count <= table.count && table.count * keySizeBytes <= held.sizeBytes) {
        held.lastUse = ++this.#uses;
        return held;
      }
      this.#evict(held);
    }
    const neededBytes = table.count * keySizeBytes;
    if (neededBytes > this.#end - this.#start) return null;
    // Room to double, so that a growing table is copied anew only when it has doubled.
    let sizeBytes = smallestCopyKeys * keySizeBytes;
    while (sizeBytes <= neededBytes) sizeBytes *= 2;
    sizeBytes = Math.min(sizeBytes, this.#end - this.#start);
    const copy: IndexCopy = {
      position: this.#makeRoom(sizeBytes),
      sizeBytes,
      version: table.version,
      count: 0,
      lastUse: ++this.#uses,
      evicted: false,
    };
    this.#copies.push(copy);
    this.#copies.sort((a, b) => a.position - b.position);
    this.#byTable.set(table, copy);
    return copy;
  }

  /** `sizeBytes` is at most the region's, so that in the end there is room. */
  #makeRoom(sizeBytes: number): number {
    for (;;) {
      let position = this.#start;
      let oldest: IndexCopy | undefined;
      for (const copy of this.#copies) {
        if (copy.position - position >= sizeBytes) return position;
        position = Math.ceil((copy.position + copy.sizeBytes) / alignment) * alignment;
        if (oldest === undefined || copy.lastUse < oldest.lastUse) oldest = copy;
      }
      if (oldest === undefined || this.#end - position >= sizeBytes) return position;
      this.#evict(oldest);
    }
  }

  #evict(copy: IndexCopy): void {
    copy.evicted = true;
    this.#copies = this.#copies.filter((other) => other !== copy);
  }
}
