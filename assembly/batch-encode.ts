// A batch written from staged pieces: uncompressed, base offset 0, leader epoch -1.
//
//   staging   key, value, (header key, header value)* of each record, back to back; null takes nothing
//   columns   key length, value length, header count, (key length, value length)* of each record; -1 is null
//   doubles   a timestamp a record
//
// The base timestamp is the first record's, as Kafka's own producer does it; deltas may be negative.

import {
  attributesAt,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  batchLengthAt,
  checksumAt,
  lastOffsetDeltaAt,
  leaderEpochAt,
  logOverheadBytes,
  magicAt,
  maxTimestampAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  recordsAt,
} from "./batch-layout";
import { writeInt16, writeInt32, writeInt64 } from "./bytes";
import { crc32c } from "./crc32c";
import { batches, batchesBytes, columns, doubles, staging } from "./memory";

/** The batch's size at `batches`, or 0 when it does not fit there. */
export function encodeBatch(recordCount: i32, producerId: f64, producerEpoch: i32, baseSequence: i32): i32 {
  const baseTimestamp = <i64>load<f64>(doubles);
  const room: usize = batches + batchesBytes;
  let maxTimestamp = baseTimestamp;
  let position: usize = batches + recordsAt;
  let source: usize = staging;
  let column: usize = columns;
  for (let offsetDelta = 0; offsetDelta < recordCount; offsetDelta++) {
    const timestamp = <i64>load<f64>(doubles + (offsetDelta << 3));
    maxTimestamp = max(maxTimestamp, timestamp);
    const timestampDelta = timestamp - baseTimestamp;
    const headerCount = load<i32>(column, 8);
    const bodyBytes =
      1 + varintBytes(timestampDelta) + varintBytes(offsetDelta) + pieceBytes(column) + pieceBytes(column + 4) +
      varintBytes(headerCount) + headersBytes(column + 12, headerCount);
    if (position + varintBytes(bodyBytes) + bodyBytes > room) return 0;

    position = writeVarint(position, bodyBytes);
    store<u8>(position++, 0);
    position = writeVarint(position, timestampDelta);
    position = writeVarint(position, offsetDelta);
    position = writePiece(position, column, source);
    source += max(load<i32>(column), 0);
    position = writePiece(position, column + 4, source);
    source += max(load<i32>(column, 4), 0);
    position = writeVarint(position, headerCount);
    column += 12;
    for (let piece = 0; piece < headerCount << 1; piece++) {
      position = writePiece(position, column, source);
      source += max(load<i32>(column), 0);
      column += 4;
    }
  }

  const sizeBytes = <i32>(position - batches);
  writeInt64(batches + baseOffsetAt, 0);
  writeInt32(batches + batchLengthAt, sizeBytes - logOverheadBytes);
  writeInt32(batches + leaderEpochAt, -1);
  store<u8>(batches + magicAt, 2);
  writeInt16(batches + attributesAt, 0);
  writeInt32(batches + lastOffsetDeltaAt, recordCount - 1);
  writeInt64(batches + baseTimestampAt, baseTimestamp);
  writeInt64(batches + maxTimestampAt, maxTimestamp);
  writeInt64(batches + producerIdAt, <i64>producerId);
  writeInt16(batches + producerEpochAt, producerEpoch);
  writeInt32(batches + baseSequenceAt, baseSequence);
  writeInt32(batches + recordCountAt, recordCount);
  writeInt32(batches + checksumAt, crc32c(batches + attributesAt, sizeBytes - <i32>attributesAt, 0));
  return sizeBytes;
}

// @ts-ignore: decorator
@inline
function pieceBytes(column: usize): i32 {
  const length = load<i32>(column);
  return varintBytes(length) + max(length, 0);
}

function headersBytes(column: usize, headerCount: i32): i32 {
  let sizeBytes = 0;
  for (let piece = 0; piece < headerCount << 1; piece++) sizeBytes += pieceBytes(column + (piece << 2));
  return sizeBytes;
}

// @ts-ignore: decorator
@inline
function writePiece(position: usize, column: usize, source: usize): usize {
  const length = load<i32>(column);
  position = writeVarint(position, length);
  if (length <= 0) return position;
  memory.copy(position, source, length);
  return position + length;
}

/** Seven bits a byte of the zigzag form: (significant bits + 6) / 7. */
// @ts-ignore: decorator
@inline
function varintBytes(value: i64): i32 {
  const zigzag = (value << 1) ^ (value >> 63);
  return (70 - <i32>clz<i64>(zigzag | 1)) / 7;
}

/** The int32 and int64 forms are the same bytes. */
// @ts-ignore: decorator
@inline
function writeVarint(position: usize, value: i64): usize {
  const zigzag = (value << 1) ^ (value >> 63);
  if (<u64>zigzag < 128) {
    store<u8>(position, <u8>zigzag);
    return position + 1;
  }
  return writeLongVarint(position, zigzag);
}

function writeLongVarint(position: usize, zigzag: u64): usize {
  for (; zigzag >= 128; zigzag >>>= 7) store<u8>(position++, <u8>(zigzag | 128));
  store<u8>(position++, <u8>zigzag);
  return position;
}
