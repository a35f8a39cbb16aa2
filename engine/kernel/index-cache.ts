// Which index tables have a copy in the kernel's memory, and where.
//
// A copy makes a search several times faster, and making it costs about a nanosecond a key. So a
// table is searched as it lies until its searches would have paid for the copy; one that is
// searched now and then never moves. What is full is freed by a hand that goes round the region
// (CLOCK) and takes the copies it meets, but spares those searched about as often, by their size,
// as the table that asks: many tables used alike then stay where they are, instead of pushing
// each other out at every search.
//
// Owns: the copies' places in one region, and the count of searches that decides.
// Never: writes the region (wasm.ts), or keeps a table alive.
//
// Invariants: copies lie within the region, on cache lines, and don't overlap; a copy's version
//   is its table's, so its first `count` keys are the table's.

import type { IndexTable } from "./kernel.ts";

/** What is known of a table: a copy, or only that it was searched. */
export interface IndexCopy {
  /** Where the copy lies; -1 when there is none. */
  readonly position: number;
  readonly keyRoom: number;
  readonly version: number;
  /** Keys copied so far, by the holder, who counts up; -1 without a copy. */
  count: number;
  /** Searches, aged; the holder counts those that need nothing of the cache. */
  uses: number;
}

export interface IndexRegion {
  /** On a cache line. */
  readonly position: number;
  readonly sizeBytes: number;
  /** What a copy of so many keys takes. */
  copySizeBytes(keyRoom: number, keySizeBytes: 4 | 8): number;
}

/** Keys that may be copied for one search: what the search of a copy saves, over what copying a key costs. */
const keysPaidByOneSearch = 128;
/** What finding a place costs, as keys copied: also keeps tables searched alike from asking all the time. */
const keysOnePlaceCosts = 4096;
/** How many times as often, by size, a table must be searched as the copies it displaces. */
const hotterBy = 2;
/** So many copies are spared before a table that asks is sent away. */
const mostSpared = 2;
/** Copies begin on cache lines. Bytes. */
const alignment = 64;

class Copy implements IndexCopy {
  position = -1;
  sizeBytes = 0;
  keyRoom = 0;
  version = -1;
  count = -1;
  uses = 0;
  /** Uses that paid for what was copied. */
  spent = 0;
  /** The search at which counting began. */
  since: number;
  next: Copy = this;
  previous: Copy = this;

  constructor(since: number) {
    this.since = since;
  }

  get end(): number {
    return Math.ceil((this.position + this.sizeBytes) / alignment) * alignment;
  }
}

export class IndexCache {
  readonly #region: IndexRegion;
  readonly #end: number;
  readonly #byTable: WeakMap<IndexTable, Copy> = new WeakMap();
  /** The copies in a ring by position; this one is none of them, and lies between the last and the first. */
  readonly #ends: Copy = new Copy(0);
  #hand: Copy = this.#ends;
  #searches = 0;
  #lastTable: IndexTable | null = null;
  #lastCopy: Copy = this.#ends;

  constructor(region: IndexRegion) {
    this.#region = region;
    this.#end = region.position + region.sizeBytes;
  }

  /** What is known of the table, once a search; its copy may be behind, or of another version, or none. */
  find(table: IndexTable): IndexCopy {
    this.#searches++;
    if (table === this.#lastTable) return this.#lastCopy;
    let copy = this.#byTable.get(table);
    if (copy === undefined) {
      copy = new Copy(this.#searches);
      this.#byTable.set(table, copy);
    }
    this.#lastTable = table;
    this.#lastCopy = copy;
    return copy;
  }

  /** The table's copy, to be brought up to date by the holder; null when its searches don't pay for that yet. */
  claim(table: IndexTable, keySizeBytes: 4 | 8): IndexCopy | null {
    const copy = this.find(table) as Copy;
    this.#searches--;
    const { count } = table;
    const isHeld = copy.position >= 0 && copy.version === table.version && copy.count <= count && count <= copy.keyRoom;
    const missing = isHeld ? count - copy.count : count + keysOnePlaceCosts;
    if ((copy.uses - copy.spent) * keysPaidByOneSearch < missing) return null;
    const hasPlace = isHeld || this.#place(copy, table, keySizeBytes);
    copy.spent = copy.uses;
    if (hasPlace) return copy;
    this.#age(copy);
    return null;
  }

  #place(copy: Copy, table: IndexTable, keySizeBytes: 4 | 8): boolean {
    const outgrown = copy.position >= 0 && table.count > copy.keyRoom ? copy.keyRoom * 2 : 0;
    if (copy.position >= 0) this.#evict(copy);
    // As much room as the table itself has, and twice as much as before when it outgrew that.
    const wanted = Math.max(Math.floor(table.bytes.length / table.entrySizeBytes), table.count, outgrown);
    const { sizeBytes } = this.#region;
    for (const keyRoom of [wanted, table.count]) {
      const neededBytes = this.#region.copySizeBytes(keyRoom, keySizeBytes);
      if (neededBytes > sizeBytes) continue;
      copy.sizeBytes = neededBytes;
      copy.keyRoom = keyRoom;
      copy.version = table.version;
      return this.#makeRoom(copy);
    }
    return false;
  }

  /** Moves the hand on until the copy has a place behind it. */
  #makeRoom(copy: Copy): boolean {
    let sparable = mostSpared;
    let start = this.#startAt(this.#hand.previous);
    for (let wraps = 0; wraps < 3; ) {
      const next = this.#hand;
      const isLast = next === this.#ends;
      if ((isLast ? this.#end : next.position) - start >= copy.sizeBytes) {
        copy.position = start;
        copy.count = 0;
        copy.previous = next.previous;
        copy.next = next;
        copy.previous.next = copy;
        next.previous = copy;
        return true;
      }
      this.#hand = next.next;
      if (isLast) {
        wraps++;
        start = this.#region.position;
      } else if (this.#isSpared(next, copy)) {
        // Less was counted of it than of the other: halved again and again, that would become noise.
        if (next.uses > copy.uses) this.#age(next);
        start = next.end;
        if (--sparable === 0) return false;
      } else {
        this.#evict(next);
      }
    }
    return false;
  }

  #startAt(previous: Copy): number {
    return previous === this.#ends ? this.#region.position : previous.end;
  }

  #isSpared(held: Copy, asking: Copy): boolean {
    const heldUses = held.uses * (this.#searches - asking.since + 1) * asking.sizeBytes;
    const askingUses = asking.uses * (this.#searches - held.since + 1) * held.sizeBytes;
    return heldUses * hotterBy > askingUses;
  }

  /** Half of what was counted is forgotten, at the same rate, so that what comes weighs more. */
  #age(copy: Copy): void {
    copy.uses = Math.floor(copy.uses / 2);
    copy.spent = Math.min(copy.spent, copy.uses);
    copy.since += Math.floor((this.#searches - copy.since) / 2);
  }

  #evict(copy: Copy): void {
    if (this.#hand === copy) this.#hand = copy.next;
    copy.previous.next = copy.next;
    copy.next.previous = copy.previous;
    copy.position = -1;
    copy.count = -1;
    copy.spent = copy.uses;
  }
}
