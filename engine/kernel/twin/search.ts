// The place of a key in a sorted index table, read as it lies in the file.
//
//   .index       | relative offset int32 | position int32        |          8 bytes
//   .timeindex   | timestamp int64       | relative offset int32 |         12 bytes
//
// Owns: the search. Never: copies.

import type { IndexTable } from "../kernel.ts";

export function greatestAtOrBelow(table: IndexTable, target: number): number {
  return table.entrySizeBytes === 8 ? searchOffsets(table, target) : searchTimestamps(table, target);
}

function searchOffsets({ bytes, count }: IndexTable, target: number): number {
  let low = 0;
  let high = count; // the first entry known to be above the target
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (int32At(bytes, middle * 8) <= target) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function searchTimestamps({ bytes, count }: IndexTable, target: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = middle * 12;
    if (int32At(bytes, at) * 4294967296 + (int32At(bytes, at + 4) >>> 0) <= target) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Byte by byte: making a DataView costs more than a search of a small table. */
function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
