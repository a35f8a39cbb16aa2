// Where the fields of a record batch v2 lie, for code that reads and stamps them in bulk.
// The drawing is in log/record-batch.ts; the kernel stands below log/ and may not import it.
//
// Owns: positions, the attribute bits, and the smallest record. Never: reads a byte.

/** From a batch's start. Bytes. */
export const at = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  checksum: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const;

/** What the batch length does not count: base offset and itself. */
export const logOverheadBytes = 12;

export const codecMask = 0x07;
export const lastCodec = 4;
export const logAppendTimeBit = 0x08;
/** codec (3 bits), timestamp type, transactional, control, delete horizon. */
export const definedAttributes = 0x7f;

/** Length, attributes, timestamp delta, offset delta, key length, value length, header count: a byte each. */
export const smallestRecordBytes = 7;
