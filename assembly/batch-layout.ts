// Where the fields of a record batch v2 lie; drawn in engine/log/record-batch.ts.

export const baseOffsetAt: usize = 0;
export const batchLengthAt: usize = 8;
export const leaderEpochAt: usize = 12;
export const magicAt: usize = 16;
export const checksumAt: usize = 17;
export const attributesAt: usize = 21;
export const lastOffsetDeltaAt: usize = 23;
export const baseTimestampAt: usize = 27;
export const maxTimestampAt: usize = 35;
export const producerIdAt: usize = 43;
export const producerEpochAt: usize = 51;
export const baseSequenceAt: usize = 53;
export const recordCountAt: usize = 57;
export const recordsAt: usize = 61;

/** What the batch length does not count: base offset and itself. */
export const logOverheadBytes: i32 = 12;

export const codecMask: i32 = 0x07;
export const lastCodec: i32 = 4;
export const logAppendTimeBit: i32 = 0x08;
/** codec (3 bits), timestamp type, transactional, control, delete horizon. */
export const definedAttributes: i32 = 0x7f;

export const smallestRecordBytes: i64 = 7;
