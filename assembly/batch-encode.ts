// A batch written from columns: uncompressed, base offset 0, leader epoch -1.
//
//   staging   key, value, (header key, header value)* of each record, back to back; null takes nothing
//   columns   key length, value length, header count, (key length, value length)* of each record; -1 is null
//   doubles   a timestamp a record
//
// The base timestamp is the first record's, as Kafka's own producer does it; deltas may be negative.
//
// A record without headers, of pieces up to shortBytes and a timestamp near the first one's, has
// varints of at most three bytes: their sizes come from counting zeros, each is written by one
// store, and pieces are copied sixteen bytes at a time. All others take the exact way.
//
// Invariants: nothing is written outside `batches`, whatever the columns say. A store may write
//   up to overrunBytes behind a piece, where the next piece or the next batch comes to lie.
//   A record takes more bytes in the batch than in `staging`, so that one bound serves both.

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
import { maxSafeInteger, writeInt16, writeInt32, writeInt64 } from "./bytes";
import { crc32c } from "./crc32c";
import { batches, batchesBytes, columns, columnsBytes, doubles, staging } from "./memory";

/** Two such pieces and the rest of a record stay below 2^20, whose zigzag form has 21 bits. */
const shortBytes: u32 = 1 << 18;
/** Of a zigzag form: below it a varint takes at most three bytes. */
const threeByteVarints: u64 = 1 << 21;
/** From here on the engine's own copy is faster. */
const longCopyBytes: usize = 512;
const overrunBytes: usize = 16;
/** A length's varint, attributes, two deltas, two lengths and a header count. */
const shortOverheadBytes: usize = 3 + 1 + 3 + 3 + 3 + 3 + 1;

const tooLarge: i32 = 0;
const badLength: i32 = -1;
const badTimestamp: i32 = -2;

/** The batch's size at `batches`, or a fault as numbered above; the count is within the columns. */
export function encodeColumns(recordCount: i32, producerId: f64, producerEpoch: i32, baseSequence: i32): i32 {
  const baseTimestamp = <i64>load<f64>(doubles);
  const room: usize = batches + batchesBytes;
  const shortRoom: usize = room - shortOverheadBytes - overrunBytes;
  let maxTimestamp = baseTimestamp;
  let position: usize = batches + recordsAt;
  let source: usize = staging;
  let column: usize = columns;
  for (let offsetDelta = 0; offsetDelta < recordCount; offsetDelta++) {
    const wallTime = load<f64>(doubles + (offsetDelta << 3));
    const timestamp = <i64>wallTime;
    if (<f64>timestamp !== wallTime || <u64>timestamp > <u64>maxSafeInteger) return badTimestamp;
    maxTimestamp = max(maxTimestamp, timestamp);
    const timestampDelta = timestamp - baseTimestamp;
    const timestampZigzag = <u64>((timestampDelta << 1) ^ (timestampDelta >> 63));

    const keyLength = load<i32>(column);
    const valueLength = load<i32>(column, 4);
    const headerCount = load<i32>(column, 8);
    const keyBytes: usize = max(keyLength, 0);
    const valueBytes: usize = max(valueLength, 0);
    if (
      headerCount === 0 && <u32>(keyLength + 1) <= shortBytes && <u32>(valueLength + 1) <= shortBytes &&
      timestampZigzag < threeByteVarints && position + keyBytes + valueBytes <= shortRoom
    ) {
      column += 12;
      const timestampBits = <u32>timestampZigzag;
      const offsetBits = <u32>offsetDelta << 1;
      const keyBits = zigzag(keyLength);
      const valueBits = zigzag(valueLength);
      const bodyBytes =
        2 + shortVarintBytes(timestampBits) + shortVarintBytes(offsetBits) + shortVarintBytes(keyBits) +
        shortVarintBytes(valueBits) + <u32>keyBytes + <u32>valueBytes;
      position = writeShortVarint(position, bodyBytes << 1);
      store<u8>(position, 0);
      position = writeShortVarint(position + 1, timestampBits);
      position = writeShortVarint(position, offsetBits);
      position = writeShortVarint(position, keyBits);
      copyPiece(position, source, keyBytes);
      position += keyBytes;
      source += keyBytes;
      position = writeShortVarint(position, valueBits);
      copyPiece(position, source, valueBytes);
      position += valueBytes;
      source += valueBytes;
      store<u8>(position++, 0);
      continue;
    }

    const columnsLeft: i64 = <i64>(columns + columnsBytes - column) - 12 * <i64>(recordCount - offsetDelta);
    if (headerCount < 0 || <i64>headerCount << 3 > columnsLeft) return badLength;
    const piecesBytes = measurePieces(column, headerCount);
    if (piecesBytes < 0) return badLength;
    const bodyBytes =
      1 + varintBytes(timestampDelta) + varintBytes(offsetDelta) + varintBytes(headerCount) + piecesBytes;
    if (<i64>position + varintBytes(bodyBytes) + bodyBytes > <i64>room) return tooLarge;

    position = writeVarint(position, bodyBytes);
    store<u8>(position++, 0);
    position = writeVarint(position, timestampDelta);
    position = writeVarint(position, offsetDelta);
    position = writePiece(position, keyLength, source);
    source += keyBytes;
    position = writePiece(position, valueLength, source);
    source += valueBytes;
    position = writeVarint(position, headerCount);
    column += 12;
    for (let piece = 0; piece < headerCount << 1; piece++) {
      const length = load<i32>(column);
      position = writePiece(position, length, source);
      source += max(length, 0);
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
function zigzag(value: i32): u32 {
  return <u32>((value << 1) ^ (value >> 31));
}

/** (9 * highest bit + 73) / 64: 1 to 3 as the highest bit lies below 7, 14, 21. */
// @ts-ignore: decorator
@inline
function shortVarintBytes(bits: u32): u32 {
  return ((31 - <u32>clz<u32>(bits | 1)) * 9 + 73) >>> 6;
}

/** Below 2^21; may write, and leave for the next, one byte behind three. */
// @ts-ignore: decorator
@inline
function writeShortVarint(position: usize, bits: u32): usize {
  if (bits < 128) {
    store<u8>(position, bits);
    return position + 1;
  }
  if (bits < 16384) {
    store<u16>(position, (bits & 127) | 128 | ((bits >>> 7) << 8));
    return position + 2;
  }
  store<u32>(position, (bits & 127) | 0x8080 | ((bits << 1) & 0x7f00) | ((bits << 2) & 0x7f0000));
  return position + 3;
}

/** May read and write up to fifteen bytes behind the piece. */
// @ts-ignore: decorator
@inline
function copyPiece(position: usize, source: usize, sizeBytes: usize): void {
  if (sizeBytes > longCopyBytes) {
    memory.copy(position, source, sizeBytes);
    return;
  }
  const end = source + sizeBytes;
  for (; source < end; source += 16) {
    v128.store(position, v128.load(source));
    position += 16;
  }
}

/** Of the pieces from `column` on with their lengths; -1 when one is no length. */
function measurePieces(column: usize, headerCount: i32): i64 {
  const keyLength = load<i32>(column);
  const valueLength = load<i32>(column, 4);
  if (keyLength < -1 || valueLength < -1) return -1;
  let sizeBytes = pieceBytes(keyLength) + pieceBytes(valueLength);
  column += 12;
  for (let header = 0; header < headerCount; header++) {
    const nameLength = load<i32>(column);
    const contentLength = load<i32>(column, 4);
    if (nameLength < 0 || contentLength < -1) return -1;
    sizeBytes += pieceBytes(nameLength) + pieceBytes(contentLength);
    column += 8;
  }
  return sizeBytes;
}

// @ts-ignore: decorator
@inline
function pieceBytes(length: i32): i64 {
  return varintBytes(length) + max(length, 0);
}

// @ts-ignore: decorator
@inline
function writePiece(position: usize, length: i32, source: usize): usize {
  position = writeVarint(position, length);
  if (length <= 0) return position;
  memory.copy(position, source, length);
  return position + length;
}

/** Seven bits a byte of the zigzag form: (significant bits + 6) / 7. */
// @ts-ignore: decorator
@inline
function varintBytes(value: i64): i64 {
  const zigzag = (value << 1) ^ (value >> 63);
  return (70 - clz<i64>(zigzag | 1)) / 7;
}

/** The int32 and int64 forms are the same bytes. */
function writeVarint(position: usize, value: i64): usize {
  let zigzag = <u64>((value << 1) ^ (value >> 63));
  for (; zigzag >= 128; zigzag >>>= 7) store<u8>(position++, <u8>(zigzag | 128));
  store<u8>(position++, <u8>zigzag);
  return position;
}
