// The latest offset of every key, while a log is compacted. Drawn, with its invariants, in
// engine/kernel/twin/offset-map.ts.

import { columns, offsetMap, offsetMapBytes, verdicts } from "./memory";
import { hashHigh, hashLow, setSecret, sipHash } from "./siphash";

/** A multiple of 16, so that both columns begin on a cache line. */
const slots: i32 = (offsetMapBytes / 20) & ~15;
/** Beyond it a look-up of a key that is not there walks too far. */
const mostKeys: i32 = slots - (slots >>> 3);
const hashes: usize = offsetMap;
const offsets: usize = offsetMap + (<usize>slots << 4);

let baseOffset: i64 = 0;
let keyCount: i32 = 0;

/** Sixteen bytes of a secret lie at `secret`. */
export function clearOffsetMap(secret: usize, base: f64): void {
  setSecret(secret);
  baseOffset = <i64>base;
  keyCount = 0;
  memory.fill(offsets, 0, <usize>slots << 2);
}

export function offsetMapKeys(): i32 {
  return keyCount;
}

/** Takes the records in the columns, whose places count from `origin`; how many, fewer when it was full. */
export function noteOffsets(origin: usize, count: i32, batchOffset: f64): i32 {
  const first = <i64>batchOffset - baseOffset;
  let column: usize = columns;
  for (let index = 0; index < count; index++) {
    const relative = first + load<i32>(column);
    const keyLength = load<i32>(column, 8);
    if (relative >= <i64>u32.MAX_VALUE) return index;
    if (keyLength >= 0 && relative >= 0) {
      const slot = slotOf(origin + load<i32>(column, 4), keyLength);
      const place = offsets + (<usize>slot << 2);
      if (load<u32>(place) === 0) {
        if (keyCount === mostKeys) return index;
        keyCount++;
        store<u64>(hashes + (<usize>slot << 4), hashLow);
        store<u64>(hashes + (<usize>slot << 4), hashHigh, 8);
      }
      store<u32>(place, <u32>relative + 1);
    }
    column += 32;
  }
  return count;
}

/** A byte a record into `verdicts`: 1 when it has no key, or a later one of its key was noted. */
export function findSuperseded(origin: usize, count: i32, batchOffset: f64): void {
  const first = <i64>batchOffset - baseOffset;
  let column: usize = columns;
  for (let index = 0; index < count; index++) {
    const relative = first + load<i32>(column);
    const keyLength = load<i32>(column, 8);
    let superseded = true;
    if (keyLength >= 0) {
      const slot = slotOf(origin + load<i32>(column, 4), keyLength);
      const noted = <i64>load<u32>(offsets + (<usize>slot << 2));
      superseded = noted !== 0 && noted - 1 > relative;
    }
    store<u8>(verdicts + index, <u8>superseded);
    column += 32;
  }
}

/** The slot of a key, or the free one where it would be: there is always one. */
function slotOf(position: usize, sizeBytes: i32): i32 {
  sipHash(position, sizeBytes);
  let slot = <i32>(((hashLow >>> 32) * <u64>slots) >>> 32);
  while (load<u32>(offsets + (<usize>slot << 2)) !== 0) {
    const place = hashes + (<usize>slot << 4);
    if (load<u64>(place) === hashLow && load<u64>(place, 8) === hashHigh) break;
    if (++slot === slots) slot = 0;
  }
  return slot;
}
