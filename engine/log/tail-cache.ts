// The newest bytes of every log that somebody reads at its tail, in memory, under one budget.
//
// Owns: copies of appended runs, whether one is made at all, and which go first when the budget is
//   spent: the oldest of all logs, so that within a log what is kept is always one contiguous end.
// Never: decides what a reader may see (log.ts), or holds what was not appended.
//
// A log that nobody follows is not copied: the copy costs an append of 64 KiB a quarter of its time,
// and whoever reads it later finds it in the system's page cache.

import { tailWantedBytes } from "../limits.ts";

/** What keeping a chunk costs besides its bytes, so that many small appends stay within the budget. Bytes. */
const chunkOverheadBytes = 256;
/** Smaller buffers are cheap enough to leave to the collector. */
const smallestSpareBytes = 4096;

/** The next of eight steps between powers of two: at most an eighth of a buffer is unused. */
function sizeClass(sizeBytes: number): number {
  const step = 2 ** (31 - Math.clz32(sizeBytes - 1) - 3);
  return Math.ceil(sizeBytes / step) * step;
}

export interface TailChunk {
  readonly baseOffset: number;
  readonly nextOffset: number;
  readonly bytes: Uint8Array;
}

/** One log's share. */
export class LogTail {
  readonly cache: TailCache;
  /** Rises when the tail is cleared: the cache's entries of before mean nothing then. */
  generation = 0;
  /** Chunks from #first on are live; compacted now and then. */
  #chunks: TailChunk[] = [];
  #first = 0;
  #wantedBytes = 0;

  constructor(cache: TailCache) {
    this.cache = cache;
  }

  /** Somebody reads near the end: the next limits.tailWantedBytes are kept. */
  want(): void {
    this.#wantedBytes = tailWantedBytes;
  }

  append(baseOffset: number, nextOffset: number, bytes: Uint8Array): void {
    if (this.#wantedBytes <= 0 || bytes.length > this.cache.budgetBytes) {
      if (this.#chunks.length > 0) this.clear();
      return;
    }
    this.#wantedBytes -= bytes.length;
    const copy = this.cache.take(bytes.length);
    copy.set(bytes);
    this.#chunks.push({ baseOffset, nextOffset, bytes: copy });
    this.cache.added(this, bytes.length + chunkOverheadBytes);
  }

  /**
   * The chunk that holds `offset` and those after it, up to `end`; empty when it is not here.
   * Their bytes are good until the next append: copy them in the same synchronous step.
   */
  *from(offset: number, end: number): Generator<TailChunk, void, void> {
    let low = this.#first;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle] as TailChunk).nextOffset <= offset) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < this.#chunks.length; at += 1) {
      const chunk = this.#chunks[at] as TailChunk;
      if (at === low && chunk.baseOffset > offset) return;
      if (chunk.baseOffset >= end) return;
      yield chunk;
    }
  }

  /** For TailCache: drops the oldest chunk and says its size. */
  dropOldest(): number {
    const chunk = this.#chunks[this.#first];
    if (chunk === undefined) return 0;
    this.#chunks[this.#first] = undefined as unknown as TailChunk;
    this.#first += 1;
    this.cache.giveBack(chunk.bytes);
    if (this.#first > 64 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
    return chunk.bytes.length + chunkOverheadBytes;
  }

  clear(): void {
    let bytes = 0;
    for (let at = this.#first; at < this.#chunks.length; at += 1) {
      bytes += (this.#chunks[at] as TailChunk).bytes.length + chunkOverheadBytes;
    }
    this.cache.staleEntries += this.#chunks.length - this.#first;
    this.#chunks = [];
    this.#first = 0;
    this.generation += 1;
    this.cache.usedBytes -= bytes;
  }
}

interface Entry {
  readonly tail: LogTail;
  readonly generation: number;
}

export class TailCache {
  readonly budgetBytes: number;
  usedBytes = 0;
  /** Buffers of evicted chunks, by size class: a busy log then makes no garbage of them. */
  readonly #spare: Map<number, Uint8Array[]> = new Map();
  #spareBytes = 0;
  /** Entries of cleared tails: no eviction reaches them while the budget is not spent. */
  staleEntries = 0;
  /** A log per chunk, oldest first. */
  #order: Entry[] = [];
  #first = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  /** A buffer's first `sizeBytes` bytes, of any content. */
  take(sizeBytes: number): Uint8Array {
    if (sizeBytes < smallestSpareBytes) return new Uint8Array(sizeBytes);
    const capacity = sizeClass(sizeBytes);
    const spare = this.#spare.get(capacity)?.pop();
    if (spare === undefined) return new Uint8Array(capacity).subarray(0, sizeBytes);
    this.#spareBytes -= capacity;
    return spare.subarray(0, sizeBytes);
  }

  giveBack(bytes: Uint8Array): void {
    const capacity = bytes.buffer.byteLength;
    if (capacity < smallestSpareBytes || this.#spareBytes + capacity > this.budgetBytes / 8) return;
    const spares = this.#spare.get(capacity) ?? [];
    spares.push(new Uint8Array(bytes.buffer));
    this.#spare.set(capacity, spares);
    this.#spareBytes += capacity;
  }

  /** Live and stale. */
  get entries(): number {
    return this.#order.length - this.#first;
  }

  added(tail: LogTail, bytes: number): void {
    this.#order.push({ tail, generation: tail.generation });
    this.usedBytes += bytes;
    while (this.usedBytes > this.budgetBytes && this.#first < this.#order.length) this.#evict();
    if (this.#first > 1024 && this.#first * 2 > this.#order.length) {
      this.#order = this.#order.slice(this.#first);
      this.#first = 0;
    }
    if (this.staleEntries > 1024 && this.staleEntries * 2 > this.entries) {
      this.#order = this.#order.slice(this.#first).filter((entry) => entry.generation === entry.tail.generation);
      this.#first = 0;
      this.staleEntries = 0;
    }
  }

  #evict(): void {
    const oldest = this.#order[this.#first];
    if (oldest === undefined) return;
    this.#first += 1;
    if (oldest.generation === oldest.tail.generation) this.usedBytes -= oldest.tail.dropOldest();
    else this.staleEntries -= 1;
  }
}
