// The place of a key in a sorted index table, read as it lies in the file.
//
//   .index       | relative offset int32 | position int32        |          8 bytes
//   .timeindex   | timestamp int64       | relative offset int32 |         12 bytes
//
// Owns: the search. Never: copies.

import type { IndexTable } from "../kernel.ts";

export function greatestAtOrBelow(table: IndexTable, target: number): number {
  const { bytes, entrySizeBytes, count } = table;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let low = 0;
  let high = count; // the first entry known to be above the target
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keyAt(view, middle * entrySizeBytes, entrySizeBytes) <= target) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function keyAt(view: DataView, position: number, entrySizeBytes: 8 | 12): number {
  const high = view.getInt32(position);
  return entrySizeBytes === 8 ? high : high * 4294967296 + view.getUint32(position + 4);
}
