// The records inside an uncompressed batch, found without copying; their shape is drawn in
// engine/kernel/twin/records.ts.
//
// Most records have varints of at most three bytes. Those are read a word at a time and taken
// as they stand when their pieces end exactly where the record's length says; whatever else
// there is, every fault included, readRecord reads again with a check at every byte.
//
// Invariants: no verdict depends on a byte outside [start, end). What is read before it is
//   checked lies less than 16 MiB behind the end, where more of this memory lies. Each record
//   that passes takes at least smallestRecordBytes, so a walk ends whatever the counts claim.

import { smallestRecordBytes } from "./batch-layout";
import { isSafe } from "./bytes";
import * as faults from "./faults";
import { columns, columnsBytes, doubles, doublesBytes } from "./memory";

/** The largest timestamp of the last walk that found no fault. */
export let walkedMaxTimestamp: i64 = 0;

/** No delta of a short varint lies further from 0. */
const mostShortDelta: i64 = 1 << 20;

/** What the columns hold, 32 bytes a record, and the doubles. */
export const mostRecords: i32 = columnsBytes / 32 < doublesBytes / 8 ? columnsBytes / 32 : doublesBytes / 8;

/** Finds the records of one batch into the columns; offset deltas must rise. A fault. */
export function indexRecords(position: usize, sizeBytes: i32, count: i32): i32 {
  return indexPlaces(position, position, position + sizeBytes, count);
}

/** The same, with places counted from `origin`. */
export function indexPlaces(origin: usize, start: usize, end: usize, count: i32): i32 {
  return walk(origin, start, end, count, 0, false);
}

/** Checks the records of one batch; offset deltas must be 0, 1, 2... A fault. */
export function checkRecords(start: usize, end: usize, count: i32, baseTimestamp: i64): i32 {
  return walk(start, start, end, count, baseTimestamp, true);
}

// @ts-ignore: decorator
@inline
function walk(origin: usize, start: usize, end: usize, count: i32, baseTimestamp: i64, dense: bool): i32 {
  if (count < 1 || <i64>count * smallestRecordBytes > <i64>(end - start)) return faults.count;
  // Where a short delta could leave the safe integers no record is plain.
  const plainEnd = isSafe(baseTimestamp - mostShortDelta) && isSafe(baseTimestamp + mostShortDelta) ? end : start;
  let position = start;
  let maxTimestamp: i64 = i64.MIN_VALUE;
  let maxPlainDelta: i32 = i32.MIN_VALUE;
  let lastOffsetDelta: i32 = -1;
  let column: usize = columns;
  for (let index = 0; index < count; index++) {
    // The next record's place depends on this length only: a processor reads on from there
    // while it still compares this record's pieces.
    const length = load<u32>(position);
    const bodyPosition = position + shortSize(length);
    const lengthBits = shortLengthBits(length);
    const recordEnd = bodyPosition + (lengthBits >>> 1);
    const timestamp = load<u32>(bodyPosition + 1);
    let cursor = bodyPosition + 1 + shortSize(timestamp);
    const offset = load<u32>(cursor);
    cursor += shortSize(offset);
    const key = load<u32>(cursor);
    const keyPosition = cursor + shortSize(key);
    const keyBits = shortBits(key);
    cursor = keyPosition + (keyBits >>> 1);
    const value = load<u32>(cursor);
    const valuePosition = cursor + shortSize(value);
    const valueBits = shortBits(value);
    cursor = valuePosition + (valueBits >>> 1);
    const headerBits = <u32>load<u8>(cursor++);
    const headersPosition = cursor;
    if (headerBits !== 0) cursor = (headerBits & 129) === 0 ? skipHeaders(cursor, recordEnd, headerBits >>> 1) : 0;

    if (
      cursor === recordEnd && recordEnd <= plainEnd && (lengthBits & 1) === 0 && isNullable(keyBits) &&
      isNullable(valueBits)
    ) {
      const timestampDelta = signed(shortBits(timestamp));
      const offsetBits = shortBits(offset);
      if (dense) {
        if (offsetBits !== <u32>index << 1) return faults.record;
        maxPlainDelta = max(maxPlainDelta, timestampDelta);
      } else {
        const offsetDelta = signed(offsetBits);
        if (offsetDelta <= lastOffsetDelta) return faults.record;
        lastOffsetDelta = offsetDelta;
        store<f64>(doubles + (index << 3), <f64>timestampDelta);
        store<i32>(column, offsetDelta);
        storePlaces(
          column,
          keyPosition - origin,
          signed(keyBits),
          valuePosition - origin,
          signed(valueBits),
          headersPosition - origin,
          headerBits >>> 1,
          recordEnd - origin,
        );
        column += 32;
      }
      position = recordEnd;
      continue;
    }

    if (position === end) return faults.count;
    const fault = readRecord(position, end);
    if (fault !== faults.none) return fault;
    if (dense) {
      if (readOffsetDelta !== index) return faults.record;
      const recordTimestamp = baseTimestamp + readTimestampDelta;
      if (!isSafe(recordTimestamp)) return faults.timestamp;
      maxTimestamp = max(maxTimestamp, recordTimestamp);
    } else {
      if (readOffsetDelta <= lastOffsetDelta) return faults.record;
      lastOffsetDelta = readOffsetDelta;
      store<f64>(doubles + (index << 3), <f64>readTimestampDelta);
      store<i32>(column, readOffsetDelta);
      storePlaces(
        column,
        readKeyPosition - origin,
        readKeyLength,
        readValuePosition - origin,
        readValueLength,
        readHeadersPosition - origin,
        readHeaderCount,
        readRecordEnd - origin,
      );
      column += 32;
    }
    position = readRecordEnd;
  }
  if (position !== end) return faults.count;
  if (maxPlainDelta !== i32.MIN_VALUE) maxTimestamp = max(maxTimestamp, baseTimestamp + maxPlainDelta);
  walkedMaxTimestamp = maxTimestamp;
  return faults.none;
}

/** The columns behind the first, in the order of `field` in kernel.ts. */
// @ts-ignore: decorator
@inline
function storePlaces(
  column: usize,
  keyPosition: usize,
  keyLength: i32,
  valuePosition: usize,
  valueLength: i32,
  headersPosition: usize,
  headerCount: i32,
  recordEnd: usize,
): void {
  store<i32>(column, <i32>keyPosition, 4);
  store<i32>(column, keyLength, 8);
  store<i32>(column, <i32>valuePosition, 12);
  store<i32>(column, valueLength, 16);
  store<i32>(column, <i32>headersPosition, 20);
  store<i32>(column, headerCount, 24);
  store<i32>(column, <i32>recordEnd, 28);
}

// What readRecord found.
let readRecordEnd: usize = 0;
let readTimestampDelta: i64 = 0;
let readOffsetDelta: i32 = 0;
let readKeyPosition: usize = 0;
let readKeyLength: i32 = 0;
let readValuePosition: usize = 0;
let readValueLength: i32 = 0;
let readHeadersPosition: usize = 0;
let readHeaderCount: i32 = 0;

/** Any record, in the order of its bytes. A fault. */
function readRecord(position: usize, end: usize): i32 {
  // A varint comes back as its value below and the position behind it above; 0 when it overran.
  let read = varint(position, end);
  const length = valueOf(read);
  position = positionOf(read);
  if (position === 0 || length < 1 || length > <i32>(end - position)) return faults.record;
  const recordEnd = position + length;

  position = varlong(position + 1, recordEnd);
  if (position === 0) return faults.record;
  if (!isSafe(readTimestampDelta)) return faults.timestamp;

  read = varint(position, recordEnd);
  position = positionOf(read);
  if (position === 0) return faults.record;
  readOffsetDelta = valueOf(read);

  read = varint(position, recordEnd);
  readKeyLength = valueOf(read);
  readKeyPosition = positionOf(read);
  if (!isPiece(readKeyPosition, readKeyLength, recordEnd)) return faults.record;

  read = varint(readKeyPosition + max(readKeyLength, 0), recordEnd);
  readValueLength = valueOf(read);
  readValuePosition = positionOf(read);
  if (!isPiece(readValuePosition, readValueLength, recordEnd)) return faults.record;

  read = varint(readValuePosition + max(readValueLength, 0), recordEnd);
  readHeaderCount = valueOf(read);
  readHeadersPosition = positionOf(read);
  if (readHeadersPosition === 0 || readHeaderCount < 0) return faults.record;
  readRecordEnd = recordEnd;
  return skipHeaders(readHeadersPosition, recordEnd, readHeaderCount) === recordEnd ? faults.none : faults.record;
}

/** The position behind the headers, 0 when they overran. */
function skipHeaders(position: usize, recordEnd: usize, headerCount: i32): usize {
  for (let header = 0; header < headerCount; header++) {
    let read = varint(position, recordEnd);
    const keyLength = valueOf(read);
    position = positionOf(read);
    if (keyLength < 0 || !isPiece(position, keyLength, recordEnd)) return 0;

    read = varint(position + keyLength, recordEnd);
    const valueLength = valueOf(read);
    position = positionOf(read);
    if (!isPiece(position, valueLength, recordEnd)) return 0;
    position += max(valueLength, 0);
  }
  return position;
}

// @ts-ignore: decorator
@inline
function isPiece(position: usize, length: i32, recordEnd: usize): bool {
  return position !== 0 && length >= -1 && length <= <i32>(recordEnd - position);
}

// A varint of up to three bytes, in a word of the four that begin with it. Size and bits branch
// apart, so that the place of the next varint waits for no arithmetic on this one. A longer one
// counts as more bytes than a record of a short length has: such a record's pieces never end
// where it does.

const beyondShort: u32 = 1 << 21;

// @ts-ignore: decorator
@inline
function shortSize(word: u32): u32 {
  return (word & 0x80) === 0 ? 1 : (word & 0x8000) === 0 ? 2 : (word & 0x800000) === 0 ? 3 : beyondShort;
}

// @ts-ignore: decorator
@inline
function shortBits(word: u32): u32 {
  if ((word & 0x80) === 0) return word & 0x7f;
  if ((word & 0x8000) === 0) return (word & 0x7f) | ((word >>> 1) & 0x3f80);
  return (word & 0x7f) | ((word >>> 1) & 0x3f80) | ((word >>> 2) & 0x1fc000);
}

/** A longer one gives an odd number: as a length it is below 0, and none. */
// @ts-ignore: decorator
@inline
function shortLengthBits(word: u32): u32 {
  if ((word & 0x80) === 0) return word & 0x7f;
  if ((word & 0x8000) === 0) return (word & 0x7f) | ((word >>> 1) & 0x3f80);
  if ((word & 0x800000) !== 0) return 1;
  return (word & 0x7f) | ((word >>> 1) & 0x3f80) | ((word >>> 2) & 0x1fc000);
}

/** A length, or -1. */
// @ts-ignore: decorator
@inline
function isNullable(zigzag: u32): bool {
  return (zigzag & 1) === 0 || zigzag === 1;
}

// @ts-ignore: decorator
@inline
function signed(zigzag: u32): i32 {
  return <i32>((zigzag >>> 1) ^ -(zigzag & 1));
}

// @ts-ignore: decorator
@inline
function valueOf(read: u64): i32 {
  return <i32>read;
}

// @ts-ignore: decorator
@inline
function positionOf(read: u64): usize {
  return <usize>(read >>> 32);
}

// @ts-ignore: decorator
@inline
function varint(position: usize, limit: usize): u64 {
  if (position < limit) {
    const byte = <u32>load<u8>(position);
    if (byte < 128) return ((<u64>position + 1) << 32) | <u64>((byte >>> 1) ^ -(byte & 1));
  }
  return longVarint(position, limit);
}

function longVarint(position: usize, limit: usize): u64 {
  let value: u32 = 0;
  for (let shift: u32 = 0; shift < 35; shift += 7) {
    if (position >= limit) return 0;
    const byte = <u32>load<u8>(position++);
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    if (shift === 28 && byte > 15) return 0;
    return (<u64>position << 32) | <u64>((value >>> 1) ^ -(value & 1));
  }
  return 0;
}

/** The position behind it, 0 when it overran; the value is in readTimestampDelta. */
function varlong(position: usize, limit: usize): usize {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (position >= limit) return 0;
    const byte = <u64>load<u8>(position++);
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    if (shift === 63 && byte > 1) return 0;
    readTimestampDelta = <i64>((value >>> 1) ^ -(value & 1));
    return position;
  }
  return 0;
}
