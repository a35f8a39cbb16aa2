// Index tables kept as one column of keys each, in the machine's byte order.
//
//   .index       | relative offset int32 | position int32        |   becomes int32
//   .timeindex   | timestamp int64       | relative offset int32 |   becomes float64
//
// Which column lies where is for JavaScript to say; columns are aligned to 64 bytes.

import { readInt32, readInt64 } from "./bytes";

/** Appends the keys of `count` entries, as they lie in the file, to a column. */
export function copyOffsetKeys(source: usize, count: i32, column: usize): void {
  for (let entry = 0; entry < count; entry++) store<i32>(column + (entry << 2), readInt32(source + (entry << 3)));
}

export function copyTimestampKeys(source: usize, count: i32, column: usize): void {
  for (let entry = 0; entry < count; entry++) store<f64>(column + (entry << 3), <f64>readInt64(source + entry * 12));
}

/** The greatest entry at or below the target, -1 when none. */
export function searchOffsetKeys(column: usize, count: i32, target: f64): i32 {
  let start = column;
  // Halving without a branch: start stays on the last key known to be at or below the target.
  for (let length = count; length > 1; ) {
    const half = length >>> 1;
    const middle = start + (half << 2);
    start = select<usize>(middle, start, <f64>load<i32>(middle) <= target);
    length -= half;
  }
  return <f64>load<i32>(start) <= target ? <i32>((start - column) >>> 2) : -1;
}

export function searchTimestampKeys(column: usize, count: i32, target: f64): i32 {
  let start = column;
  for (let length = count; length > 1; ) {
    const half = length >>> 1;
    const middle = start + (half << 3);
    start = select<usize>(middle, start, load<f64>(middle) <= target);
    length -= half;
  }
  return load<f64>(start) <= target ? <i32>((start - column) >>> 3) : -1;
}
