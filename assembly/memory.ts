// The kernel's memory: one piece of fixed size that never grows, because growing detaches every
// view that JavaScript holds on it.
//
//   0    1 KiB     2 KiB    18 KiB   32 KiB  64 KiB    8.06 MiB  10.06 MiB 26.06 MiB 42.06 MiB      64 MiB
//   | -- | results | tables | ------ | folds | columns | doubles | staging | batches | indexCache | -- |
//   |    |         |        |        |       | int32   | float64 |         |         |            |    |
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
//   --          nothing: a null pointer's page, room for more, and what a search may read
//               beyond the last copy
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
export const indexCacheBytes: i32 = memoryBytes - <i32>indexCache - 256;

/** Where the compiler's own data would end; there is none, or it would lie in `results`. */
export const compilerDataEnd: usize = __heap_base;
