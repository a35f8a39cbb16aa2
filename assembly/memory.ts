// The kernel's memory: one piece of fixed size that never grows, because growing detaches every
// view that JavaScript holds on it.
//
//   0    1 KiB     2 KiB    18 KiB   32 KiB  64 KiB    8.06 MiB  10.06 MiB 26.06 MiB 42.06 MiB
//   | -- | results | tables | ------ | folds | columns | doubles | staging | batches | ...
//   |    |         |        |        |       | int32   | float64 |         |         |
//
//     42.06 MiB    55.75 MiB   56 MiB      64 MiB
//   ... | indexCache | verdicts | offsetMap | -- |
//
//   results     what a call answers beyond its return value
//   tables      CRC-32C's sixteen tables, built when the module starts
//   folds       what CRC-32C keeps of a message while it eliminates it (generate-crc32c.mjs); zero
//               where nothing of a message was written
//   columns     indexRecords, indexBatch: recordStride int32 a record; encodeColumns: the lengths of the pieces
//   doubles     indexRecords, indexBatch: timestamp deltas; encodeColumns: timestamps
//   staging     arguments, copied in by JavaScript, or the pieces of records to encode; no result
//               lies in it, so that filling it cannot overwrite one that is an argument
//   batches     runs and batches that are handed out as views
//   indexCache  copies of index tables (search.ts), placed by JavaScript
//   verdicts    findSuperseded: a byte a record
//   offsetMap   the latest offset of each key while a log is compacted (offset-map.ts)
//   --          nothing: a null pointer's page, room for more, and what a search may read
//               beyond the last copy
//
// The map has 8 MiB, which hold 366 982 keys, of these 64 MiB instead of a memory of its own or more
// pages: an isolate that may use 128 MiB in all has room for both. More keys take more passes, and
// the index cache still holds the copies for 12 GiB of log.
//
// Nothing is touched before it is used: an idle kernel costs the pages of its tables.
//
// Owns: where each region lies. Never: what is in it. The binding reads these numbers from the
// module's exports; the boundaries below are the only copy.
//
// Invariants: a region `x` of `xBytes` begins on a cache line and overlaps none; memory.test.ts
//   holds this for every pair of exports so named.

export const results: usize = 1024;
export const resultsBytes: i32 = 1024;

export const tables: usize = results + resultsBytes;
export const tablesBytes: i32 = 16 * 1024;

export const folds: usize = 32 * 1024;
export const foldsBytes: i32 = 32 * 1024;

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
export const offsetMapBytes: i32 = 8 * 1024 * 1024 - 256;
export const offsetMap: usize = memoryBytes - offsetMapBytes - 256;

/** A byte for each record of the columns. */
export const verdictsBytes: i32 = columnsBytes / 32;
export const verdicts: usize = offsetMap - verdictsBytes;

export const indexCacheBytes: i32 = <i32>verdicts - <i32>indexCache - 256;

/** Where the compiler's own data would end; there is none, or it would lie in `results`. */
export const compilerDataEnd: usize = __heap_base;
