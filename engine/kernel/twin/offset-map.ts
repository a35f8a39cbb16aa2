// The latest offset of every key, while a log is compacted: open addressing over a fixed memory.
//
//   hashes   | 128 bits a slot |       SipHash-2-4 of the key under a secret
//   offsets  | uint32 a slot   |       offset - base + 1; 0 is a free slot
//
// A key's slot is the first one from (its hash's upper 32 bits of the lower half * slots) >> 32 on
// that is free or holds its hash. Nothing is ever removed, so that a walk ends at a free slot.
//
// Owns: the map. Never: a key itself: two keys of one hash would be one key, which happens once in
//   2^128 pairs, and to nobody on purpose, because the secret is drawn anew for each pass.
//
// Invariants: an eighth of the slots is free; offsets are noted in rising order, so that the last
//   one noted is the latest. Slots and their number are those of assembly/offset-map.ts: both
//   kernels are full at the same record.

import { field, type RecordIndex, recordStride } from "../kernel.ts";
import { SipHash } from "./siphash.ts";

const regionBytes = 8 * 1024 * 1024 - 256;
const slots = Math.floor(regionBytes / 20) & ~15;
export const mostKeys: number = slots - (slots >>> 3);
const mostOffset = 2 ** 32 - 1;

/** What one map after the other is kept in: 8 MiB anew for each would have the collector run for each. */
export class OffsetMapMemory {
  readonly hashes: Int32Array = new Int32Array(slots * 4);
  readonly offsets: Uint32Array = new Uint32Array(slots);
}

export class TwinOffsetMap {
  readonly #hashes: Int32Array;
  readonly #offsets: Uint32Array;
  readonly #hash: Int32Array = new Int32Array(4);
  readonly #sipHash: SipHash;
  readonly #baseOffset: number;
  keys = 0;

  constructor(memory: OffsetMapMemory, secret: Uint8Array, baseOffset: number) {
    this.#hashes = memory.hashes;
    // The hash of a free slot is never looked at.
    this.#offsets = memory.offsets.fill(0);
    this.#sipHash = new SipHash(secret);
    this.#baseOffset = baseOffset;
  }

  note(bytes: Uint8Array, { count, fields }: RecordIndex, batchOffset: number): number {
    const first = batchOffset - this.#baseOffset;
    for (let index = 0, column = 0; index < count; index++, column += recordStride) {
      const relative = first + fields[column + field.offsetDelta]!;
      const keyLength = fields[column + field.keyLength]!;
      if (relative >= mostOffset) return index;
      if (keyLength < 0 || relative < 0) continue;
      const slot = this.#slotOf(bytes, fields[column + field.keyPosition]!, keyLength);
      if (this.#offsets[slot] === 0) {
        if (this.keys === mostKeys) return index;
        this.keys++;
        this.#hashes.set(this.#hash, slot * 4);
      }
      this.#offsets[slot] = relative + 1;
    }
    return count;
  }

  superseded(bytes: Uint8Array, { count, fields }: RecordIndex, batchOffset: number): Uint8Array {
    const verdicts = new Uint8Array(count);
    const first = batchOffset - this.#baseOffset;
    for (let index = 0, column = 0; index < count; index++, column += recordStride) {
      const relative = first + fields[column + field.offsetDelta]!;
      const keyLength = fields[column + field.keyLength]!;
      if (keyLength >= 0) {
        const noted = this.#offsets[this.#slotOf(bytes, fields[column + field.keyPosition]!, keyLength)]!;
        if (noted === 0 || noted - 1 <= relative) continue;
      }
      verdicts[index] = 1;
    }
    return verdicts;
  }

  #slotOf(bytes: Uint8Array, position: number, length: number): number {
    const hash = this.#hash;
    this.#sipHash.hash(bytes, position, position + length, hash);
    // A product of 32 and 19 bits, which a double holds.
    let slot = Math.floor(((hash[1]! >>> 0) * slots) / 2 ** 32);
    for (; this.#offsets[slot] !== 0; slot = slot + 1 === slots ? 0 : slot + 1) {
      const at = slot * 4;
      const hashes = this.#hashes;
      if (
        hashes[at] === hash[0] &&
        hashes[at + 1] === hash[1] &&
        hashes[at + 2] === hash[2] &&
        hashes[at + 3] === hash[3]
      )
        break;
    }
    return slot;
  }
}
