// The kernel's memory: one piece of fixed size that never grows, because growing detaches every
// view that JavaScript holds on it.
//
//   0          64 KiB      8.06 MiB    10.06 MiB   26.06 MiB   42.06 MiB   64 MiB
//   | tables    | columns   | doubles   | staging   | batches   | index     |
//   | results   | int32     | float64   |           |           | cache     |
//
//   results   what a call answers beyond its return value
//   tables    CRC-32C's sixteen tables, built when the module starts
//   columns   indexRecords: recordStride int32 a record; encodeBatch: the lengths of its pieces
//   doubles   indexRecords: timestamp deltas; encodeBatch: timestamps
//   staging   arguments, copied in by JavaScript; never handed out, so that filling it
//             cannot overwrite an argument that lies in this memory
//   batches   runs and batches that are handed out as views
//   index     decoded keys of index tables, managed by JavaScript
//   cache
//
// Nothing is touched before it is used: an idle kernel costs the pages of its tables.
//
// Owns: where each region lies. Never: what is in it. The binding reads these numbers from the
// module's exports; the boundaries below are the only copy.

export const results: usize = 1024;
export const tables: usize = 16 * 1024;

export const columns: usize = 64 * 1024;
export const columnsBytes: i32 = 8 * 1024 * 1024;

export const doubles: usize = columns + columnsBytes;
export const doublesBytes: i32 = 2 * 1024 * 1024;

export const staging: usize = doubles + doublesBytes;
export const stagingBytes: i32 = 16 * 1024 * 1024;

export const batches: usize = staging + stagingBytes;
export const batchesBytes: i32 = 16 * 1024 * 1024;

export const indexCache: usize = batches + batchesBytes;
export const memoryBytes: i32 = 64 * 1024 * 1024;
/** What remains, less what a search may read beyond the last key. */
export const indexCacheBytes: i32 = memoryBytes - <i32>indexCache - 256;

// The results of prepareRun and validPrefix.
//
//   0            4             8 (float64)                        16
//   | batchCount | sizeBytes   | recordCount (prepareRun)         |
//   |            | or position | nextOffset (validPrefix)         |

// @ts-ignore: decorator
@inline
export function answer(batchCount: i32, bytes: i32, offsets: i64): void {
  store<i32>(results, batchCount);
  store<i32>(results, bytes, 4);
  store<f64>(results, <f64>offsets, 8);
}
