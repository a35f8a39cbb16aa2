// What the hot path asks of the kernel; wasm.ts and twin.ts are two of it with one surface.
//
// Owns: the contract. Everything is synchronous and owns no state but its memory.
// Never: decides what is acceptable to a topic (log/) or touches a file.
//
// A view that a method returns lives in the kernel's memory and is valid until the next call
// on the same kernel; crc32c, murmur2 and an offset map leave the views of the others alone, and
// indexBatch and indexRecords leave a prepared run alone. Arguments may themselves be such views. Inputs are at most limits.scratchBytes, else RangeError.

/** Why a run of batches was refused. */
export type BatchFault =
  | "truncated" // fewer bytes than a header or a batch length says; also trailing bytes
  | "length" // a batch length below the header's size, or negative
  | "magic" // magic is not 2
  | "checksum" // CRC-32C of attributes.. does not match
  | "count" // record count negative, zero, or not lastOffsetDelta + 1, or not what the bytes hold
  | "record" // a varint that overruns, a length that leaves its record, a delta out of order
  | "attributes" // unknown compression codec (only 0..4 exist), or undefined attribute bits set
  | "timestamp" // a timestamp that is no safe integer
  | "producer" // a producer id below -1 or unsafe, or one >= 0 with a negative epoch or sequence
  | "too-large"; // a batch over maxBatchBytes

export interface Fault {
  readonly ok: false;
  readonly fault: BatchFault;
  /** Where the offending batch begins in the run. Bytes. */
  readonly position: number;
}

export interface PrepareOptions {
  /** Offset of the first record; batches follow each other densely. */
  readonly baseOffset: number;
  readonly leaderEpoch: number;
  /** The largest batch allowed, header included. Bytes. */
  readonly maxBatchBytes: number;
  /** Milliseconds for LogAppendTime (attributes, maxTimestamp and CRC are rewritten); -1 keeps CreateTime. */
  readonly appendTimeMs: number;
}

/** A run in one piece, or in the chunks that it came in, whose borders mean nothing. */
export type RunBytes = Uint8Array | readonly Uint8Array[];

/** Of all its chunks together. Bytes. */
export function sizeOfRun(run: RunBytes): number {
  if (run instanceof Uint8Array) return run.length;
  let sizeBytes = 0;
  for (let at = 0; at < run.length; at++) sizeBytes += run[at]!.length;
  return sizeBytes;
}

export interface PreparedRun {
  readonly ok: true;
  /** The run, stamped in place: base offsets, leader epochs, and maxTimestamp where the header's was wrong. */
  readonly bytes: Uint8Array;
  readonly batchCount: number;
  /** Records by the headers; lastOffset = baseOffset + recordCount - 1. */
  readonly recordCount: number;
}

/** How far a piece of log file is whole, checksummed and in order; a torn tail is a result, not an error. */
export interface ValidPrefix {
  readonly sizeBytes: number;
  readonly nextOffset: number;
  readonly batchCount: number;
  /** `partial`: the last batch runs past the end of these bytes (read on, or torn when it is the file's end). */
  readonly stop: "end" | "partial" | "checksum" | "order" | "header";
}

/** One record's place: int32 columns from `index * recordStride`. Positions are within the bytes given; -1 length is null. */
export const recordStride = 8;
export const field = {
  offsetDelta: 0,
  keyPosition: 1,
  keyLength: 2,
  valuePosition: 3,
  valueLength: 4,
  headersPosition: 5, // of the first header, after the header count
  headerCount: 6,
  recordEnd: 7, // one past the record's last byte
} as const;

export interface RecordIndex {
  readonly ok: true;
  readonly count: number;
  readonly fields: Int32Array;
  /** Timestamp minus baseTimestamp, milliseconds; doubles because they may pass 2^31. */
  readonly timestampDeltas: Float64Array;
}

export interface RecordToEncode {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Header keys as UTF-8 bytes. */
  readonly headers: readonly (readonly [Uint8Array, Uint8Array | null])[];
  /** Milliseconds; a safe integer, not negative. */
  readonly timestamp: number;
}

/**
 * Where records lie before they are encoded: the kernel's own memory, always the same pieces of it.
 * It holds something else after any other call, so that columns are filled and encoded in one
 * synchronous step. As many records fit as there are timestamps.
 */
export interface BatchColumns {
  /** Key, value, (header key, header value)* of each record, back to back; null takes nothing. */
  readonly bytes: Uint8Array;
  /** Key length, value length, header count, (key length, value length)* of each record; -1 is null. */
  readonly lengths: Int32Array;
  /** Milliseconds; safe integers, not negative. */
  readonly timestamps: Float64Array;
}

export interface EncodeOptions {
  readonly producerId?: number; // -1
  readonly producerEpoch?: number; // -1
  readonly baseSequence?: number; // -1
}

/** Sorted entries as they lie in an .index (8 bytes) or .timeindex (12 bytes) file, big-endian. */
export interface IndexTable {
  readonly entrySizeBytes: 8 | 12;
  /** Capacity may exceed the entries; only the first `count` count. */
  readonly bytes: Uint8Array;
  readonly count: number;
  /** Changes when anything but an append happened, so that a kernel's copy is dropped. */
  readonly version: number;
}

/**
 * The latest offset of every key, while a log is compacted. It lies in a fixed piece of the kernel's
 * memory, so that there is one at a time; keys are told apart by 128 bits of a hash under a secret.
 */
export interface OffsetMap {
  /** Keys noted. */
  readonly keys: number;
  /**
   * Notes the offset of each record under its key, in rising order of offsets; `index` is the
   * kernel's of `bytes`. How many records it took: fewer than there are when it is full, or when
   * an offset lies 2^32 or more behind the map's base. Records without a key take no room.
   */
  note(bytes: Uint8Array, index: RecordIndex, baseOffset: number): number;
  /** A byte a record: 1 when a later record of its key was noted, or when it has no key; else 0. */
  superseded(bytes: Uint8Array, index: RecordIndex, baseOffset: number): Uint8Array;
  /** Lets another one begin; idempotent. Any other call throws from then on. */
  close(): void;
}

export interface Kernel {
  readonly name: "wasm" | "twin";
  /** CRC-32C (Castagnoli) as an unsigned number; `seed` continues an earlier one. */
  crc32c(bytes: Uint8Array, seed?: number): number;
  /** Kafka's murmur2 of a key, as a signed int32 (mask with 0x7fffffff before the modulo). */
  murmur2(bytes: Uint8Array): number;
  /**
   * Checks a run of whole batches (records too where uncompressed) and stamps it, in one call.
   * Chunks are copied once, to where the run that goes out lies.
   */
  prepareRun(bytes: RunBytes, options: PrepareOptions): PreparedRun | Fault;
  /** Recovery's scan: batches from `baseOffset` on, each base offset at or above the last one's end. */
  validPrefix(bytes: Uint8Array, baseOffset: number): ValidPrefix;
  /**
   * Checks one whole batch as it lies in a log (sizes, magic, checksum) and finds its records, positions
   * within `bytes`, in one call. A compressed one is checked only, and answers with a count of 0; so
   * does one that compaction left without records.
   */
  indexBatch(bytes: Uint8Array): RecordIndex | Fault;
  /** Finds the records of one batch: `bytes` are its records, decompressed, header excluded. */
  indexRecords(bytes: Uint8Array, count: number): RecordIndex | Fault;
  columns(): BatchColumns;
  /**
   * One uncompressed batch v2, base offset 0, leader epoch -1, of the records in the columns. RangeError for no
   * record, for a length or a timestamp that is none, and for a batch over limits.scratchBytes.
   */
  encodeColumns(recordCount: number, options?: EncodeOptions): Uint8Array;
  /** The same from objects, through the columns. */
  encodeBatch(records: readonly RecordToEncode[], options?: EncodeOptions): Uint8Array;
  /** An empty map; `secret` is 16 bytes of chance. Records below `baseOffset` are not noted. null while another is open. */
  openOffsetMap(secret: Uint8Array, baseOffset: number): OffsetMap | null;
  /** The greatest entry whose key (relative offset, or timestamp) is <= target; -1 when none. */
  searchIndex(table: IndexTable, target: number): number;
  /**
   * Zeroed memory of its own, none of the kernel's: it begins on a 64-byte boundary where the
   * platform can promise one, which makes a read into it twice as fast, and costs nothing before
   * it is touched. It can be neither transferred nor resized.
   */
  alignedMemory(sizeBytes: number): Uint8Array;
}
