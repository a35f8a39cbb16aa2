// Copies of index tables, kept for searching: the keys in the machine's byte order, and a radix
// table that leads to the few of them that share a key's upper bits.
//
//   .index       | relative offset int32 | position int32        |   keys become int32
//   .timeindex   | timestamp int64       | relative offset int32 |   keys become float64
//
//   copy:  0      64                                     on a cache line
//          | head | radix: bucketRoom + 1 times int32 .. | keys: keyRoom times int32 or float64 |
//
//   head:  0       4      8        12          16            20        24       32      40
//          | count | keys | kind   | bucketRoom | bucketCount | shift  | first  | last  | scale |
//          | int32 | at   | 4 or 8 | int32      | int32       | int32  | f64    | f64   | f64   |
//
// A key's bucket is (key - first) >>> shift, for float64 trunc((key - first) * scale) with
// scale = 2^-shift: either way it never falls while keys rise, which is all that a search needs.
// radix[b] is the first entry whose bucket is b or above, so bucket b is radix[b] .. radix[b + 1].
//
// The shift follows the span of the keys: it is the least that keeps the last key's bucket below
// bucketRoom. When a key is appended beyond that, two buckets become one, and radix[b] is what
// radix[2b] was: the table halves in place. Nothing else moves, so that appending is linear.
//
// A search compares the 16 keys from its bucket's start at once; what it wants is the place of
// the first key above the target, which the bucket's end bounds. A bucket of more than 16 keys
// is halved first: where keys cluster, this is a binary search again, and no worse.
//
// Reads up to 15 keys beyond the last one and does not care what is there: the first key above
// the target lies before them, because a target at or above the last key is answered at once.
//
// Owns: a copy's inside. Never: decides which table is copied, where to, or when it goes
//   (engine/kernel/index-cache.ts). Keys that don't rise make wrong answers, nothing worse.

import { readInt64 } from "./bytes";

const headBytes: usize = 64;
const vectorKeys: i32 = 16;
/** Buckets are so many times fewer than keys. Evenly spread, 8 to 16 keys share one, as the shift falls. */
const keysPerBucket: i32 = 8;
const fewestBuckets: i32 = 16;

// Offsets within the head.
const countAt: usize = 0;
const keysAt: usize = 4;
const kindAt: usize = 8;
const bucketRoomAt: usize = 12;
const bucketCountAt: usize = 16;
const shiftAt: usize = 20;
const firstAt: usize = 24;
const lastAt: usize = 32;
const scaleAt: usize = 40;

// @ts-ignore: decorator
@inline
function bucketRoomFor(keyRoom: i32): i32 {
  return max(keyRoom / keysPerBucket, fewestBuckets);
}

// @ts-ignore: decorator
@inline
function keysFrom(bucketRoom: i32): usize {
  return (headBytes + ((<usize>bucketRoom + 1) << 2) + 63) & ~63;
}

/** What a copy of `keyRoom` keys takes. Bytes. */
export function copySizeBytes(keyRoom: i32, keySizeBytes: i32): i32 {
  return <i32>keysFrom(bucketRoomFor(keyRoom)) + keyRoom * keySizeBytes;
}

/** Makes an empty copy. Its place is a cache line's beginning. */
export function beginCopy(copy: usize, keyRoom: i32, keySizeBytes: i32): void {
  const bucketRoom = bucketRoomFor(keyRoom);
  store<i32>(copy, 0, countAt);
  store<usize>(copy, copy + keysFrom(bucketRoom), keysAt);
  store<i32>(copy, keySizeBytes, kindAt);
  store<i32>(copy, bucketRoom, bucketRoomAt);
  store<i32>(copy, 0, bucketCountAt);
  store<i32>(copy, 0, shiftAt);
  store<f64>(copy, Infinity, firstAt);
  store<f64>(copy, -Infinity, lastAt);
  store<f64>(copy, 1, scaleAt);
}

/** Appends the keys of `count` entries, as they lie in the file. The copy has room for them. */
export function appendToCopy(copy: usize, source: usize, count: i32): void {
  if (count <= 0) return;
  const held = load<i32>(copy, countAt);
  if (load<i32>(copy, kindAt) == 4) {
    copyOffsets(source, count, load<usize>(copy, keysAt) + (<usize>held << 2));
    extendRadix<i32>(copy, held, held + count);
  } else {
    copyTimestamps(source, count, load<usize>(copy, keysAt) + (<usize>held << 3));
    extendRadix<f64>(copy, held, held + count);
  }
}

/** The greatest entry at or below the target, -1 when none. */
export function searchCopy(copy: usize, target: f64): i32 {
  if (!(target >= load<f64>(copy, firstAt))) return -1;
  if (target >= load<f64>(copy, lastAt)) return load<i32>(copy, countAt) - 1;
  if (load<i32>(copy, kindAt) == 4) return searchKeys<i32>(copy, <i32>floor<f64>(target));
  return searchKeys<f64>(copy, target);
}

function copyOffsets(source: usize, count: i32, keys: usize): void {
  const end = keys + (<usize>count << 2);
  for (; keys + 16 <= end; keys += 16, source += 32) {
    const four = v128.shuffle<i8>(v128.load(source), v128.load(source, 16), 3, 2, 1, 0, 11, 10, 9, 8, 19, 18, 17, 16, 27, 26, 25, 24);
    v128.store(keys, four);
  }
  for (; keys < end; keys += 4, source += 8) store<i32>(keys, bswap<i32>(load<i32>(source)));
}

function copyTimestamps(source: usize, count: i32, keys: usize): void {
  const end = keys + (<usize>count << 3);
  for (; keys < end; keys += 8, source += 12) store<f64>(keys, <f64>readInt64(source));
}

// @ts-ignore: decorator
@inline
function bucketOf<Key>(key: Key, first: Key, shift: i32, scale: f64): u32 {
  if (isFloat<Key>()) return <u32>(<f64>(key - first) * scale);
  return (<u32>key - <u32>first) >>> shift;
}

function extendRadix<Key>(copy: usize, held: i32, count: i32): void {
  const keys = load<usize>(copy, keysAt);
  const radix = copy + headBytes;
  if (held == 0) store<f64>(copy, <f64>load<Key>(keys), firstAt);
  const last = <f64>load<Key>(keys + <usize>(count - 1) * sizeof<Key>());
  store<f64>(copy, max(last, max(load<f64>(copy, firstAt), load<f64>(copy, lastAt))), lastAt);
  store<i32>(copy, count, countAt);
  widenBuckets<Key>(copy);

  const first = <Key>load<f64>(copy, firstAt);
  const shift = load<i32>(copy, shiftAt);
  const scale = load<f64>(copy, scaleAt);
  const bucketCount = load<i32>(copy, bucketCountAt);
  const lastBucket = bucketOf<Key>(<Key>load<f64>(copy, lastAt), first, shift, scale);
  // Each bucket's end, where a key falls into it; else 0, until the sweep below.
  store<i32>(radix + (<usize>bucketCount << 2), held);
  if (lastBucket >= <u32>bucketCount) {
    memory.fill(radix + (<usize>(bucketCount + 1) << 2), 0, (<usize>(lastBucket + 1) - bucketCount) << 2);
  }
  for (let entry = held; entry < count; entry++) {
    const bucket = min(bucketOf<Key>(load<Key>(keys + <usize>entry * sizeof<Key>()), first, shift, scale), lastBucket);
    store<i32>(radix + (<usize>bucket << 2), entry + 1, 4);
  }
  let end = held;
  for (let bucket = <u32>bucketCount; bucket <= lastBucket + 1; bucket++) {
    const slot = radix + (<usize>bucket << 2);
    end = max(end, load<i32>(slot));
    store<i32>(slot, end);
  }
  store<i32>(copy, <i32>lastBucket + 1, bucketCountAt);
}

/** Until the last key's bucket has a place, makes one of every two. */
function widenBuckets<Key>(copy: usize): void {
  const radix = copy + headBytes;
  const bucketRoom = load<u32>(copy, bucketRoomAt);
  const first = <Key>load<f64>(copy, firstAt);
  const last = <Key>load<f64>(copy, lastAt);
  let shift = load<i32>(copy, shiftAt);
  let scale = load<f64>(copy, scaleAt);
  let bucketCount = load<i32>(copy, bucketCountAt);
  while (bucketOf<Key>(last, first, shift, scale) >= bucketRoom) {
    shift++;
    scale /= 2;
    bucketCount = (bucketCount + 1) >>> 1;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      const slot = radix + (<usize>bucket << 2);
      store<i32>(slot, load<i32>(slot + (<usize>bucket << 2)));
    }
  }
  store<i32>(copy, shift, shiftAt);
  store<f64>(copy, scale, scaleAt);
  store<i32>(copy, bucketCount, bucketCountAt);
}

// @ts-ignore: decorator
@inline
function searchKeys<Key>(copy: usize, target: Key): i32 {
  const first = <Key>load<f64>(copy, firstAt);
  const bucket = bucketOf<Key>(target, first, load<i32>(copy, shiftAt), load<f64>(copy, scaleAt));
  const slot = copy + headBytes + (<usize>bucket << 2);
  const keys = load<usize>(copy, keysAt);
  let entry = load<i32>(slot);
  // Invariant: the first key above the target is one of entry .. entry + length.
  for (let length = load<i32>(slot, 4) - entry; length > vectorKeys; ) {
    const half = length >>> 1;
    const middle = entry + half;
    entry = select<i32>(middle, entry, load<Key>(keys + <usize>middle * sizeof<Key>()) <= target);
    length -= half;
  }
  return entry + keysAtOrBelow<Key>(keys + <usize>entry * sizeof<Key>(), target) - 1;
}

/** How many keys from `keys` on are at or below the target before the first that is above; at most 16. */
// @ts-ignore: decorator
@inline
function keysAtOrBelow<Key>(keys: usize, target: Key): i32 {
  const above = v128.narrow<i16>(
    v128.narrow<i32>(fourAbove<Key>(keys, 0, target), fourAbove<Key>(keys, 4, target)),
    v128.narrow<i32>(fourAbove<Key>(keys, 8, target), fourAbove<Key>(keys, 12, target)),
  );
  return ctz<u32>(v128.bitmask<i8>(above) | (1 << vectorKeys));
}

// @ts-ignore: decorator
@inline
function fourAbove<Key>(keys: usize, skip: usize, target: Key): v128 {
  const four = keys + skip * sizeof<Key>();
  const splat = v128.splat<Key>(target);
  if (isInteger<Key>()) return v128.gt<Key>(v128.load(four), splat);
  const low = v128.gt<Key>(v128.load(four), splat);
  const high = v128.gt<Key>(v128.load(four, 16), splat);
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}
