// The records inside an uncompressed batch, found without copying; their shape is drawn in
// engine/kernel/twin/records.ts.
//
// Invariants: reads nothing outside [start, end); each record that passes takes at least
//   smallestRecordBytes, so a walk ends whatever the counts claim.

import { smallestRecordBytes } from "./batch-layout";
import { isSafe } from "./bytes";
import * as faults from "./faults";
import { columns, doubles } from "./memory";

/** The largest timestamp of the last walk that found no fault. */
export let walkedMaxTimestamp: i64 = 0;

/** Finds the records of one batch into the columns; offset deltas must rise. A fault. */
export function indexRecords(position: usize, sizeBytes: i32, count: i32): i32 {
  return walk(position, position + sizeBytes, count, 0, false);
}

/** Checks the records of one batch; offset deltas must be 0, 1, 2... A fault. */
export function checkRecords(start: usize, end: usize, count: i32, baseTimestamp: i64): i32 {
  return walk(start, end, count, baseTimestamp, true);
}

// @ts-ignore: decorator
@inline
function walk(start: usize, end: usize, count: i32, baseTimestamp: i64, dense: bool): i32 {
  if (count < 1 || <i64>count * smallestRecordBytes > <i64>(end - start)) return faults.count;
  let position = start;
  let maxTimestamp: i64 = i64.MIN_VALUE;
  let lastOffsetDelta: i32 = -1;
  let column: usize = columns;
  for (let index = 0; index < count; index++) {
    if (position === end) return faults.count;

    // A varint comes back as its value below and the position behind it above; 0 when it overran.
    let read = varint(position, end);
    const length = valueOf(read);
    position = positionOf(read);
    if (position === 0 || length < 1 || length > <i32>(end - position)) return faults.record;
    const recordEnd = position + length;

    position = varlong(position + 1, recordEnd);
    if (position === 0) return faults.record;
    const timestampDelta = varlongValue;
    if (!isSafe(timestampDelta)) return faults.timestamp;

    read = varint(position, recordEnd);
    const offsetDelta = valueOf(read);
    position = positionOf(read);
    if (position === 0) return faults.record;

    read = varint(position, recordEnd);
    const keyLength = valueOf(read);
    const keyPosition = positionOf(read);
    if (keyPosition === 0 || keyLength < -1 || keyLength > <i32>(recordEnd - keyPosition)) return faults.record;

    read = varint(keyPosition + max(keyLength, 0), recordEnd);
    const valueLength = valueOf(read);
    const valuePosition = positionOf(read);
    if (valuePosition === 0 || valueLength < -1 || valueLength > <i32>(recordEnd - valuePosition)) return faults.record;

    read = varint(valuePosition + max(valueLength, 0), recordEnd);
    const headerCount = valueOf(read);
    const headersPosition = positionOf(read);
    if (headersPosition === 0 || headerCount < 0) return faults.record;
    position = headerCount === 0 ? headersPosition : skipHeaders(headersPosition, recordEnd, headerCount);
    if (position !== recordEnd) return faults.record;

    if (dense) {
      if (offsetDelta !== index) return faults.record;
      const timestamp = baseTimestamp + timestampDelta;
      if (!isSafe(timestamp)) return faults.timestamp;
      maxTimestamp = max(maxTimestamp, timestamp);
    } else {
      if (offsetDelta <= lastOffsetDelta) return faults.record;
      lastOffsetDelta = offsetDelta;
      store<f64>(doubles + (index << 3), <f64>timestampDelta);
      store<i32>(column, offsetDelta);
      store<i32>(column, <i32>(keyPosition - start), 4);
      store<i32>(column, keyLength, 8);
      store<i32>(column, <i32>(valuePosition - start), 12);
      store<i32>(column, valueLength, 16);
      store<i32>(column, <i32>(headersPosition - start), 20);
      store<i32>(column, headerCount, 24);
      store<i32>(column, <i32>(recordEnd - start), 28);
      column += 32;
    }
  }
  if (position !== end) return faults.count;
  walkedMaxTimestamp = maxTimestamp;
  return faults.none;
}

/** The position behind the headers, 0 when they overran. */
function skipHeaders(position: usize, recordEnd: usize, headerCount: i32): usize {
  for (let header = 0; header < headerCount; header++) {
    let read = varint(position, recordEnd);
    const keyLength = valueOf(read);
    position = positionOf(read);
    if (position === 0 || keyLength < 0 || keyLength > <i32>(recordEnd - position)) return 0;

    read = varint(position + keyLength, recordEnd);
    const valueLength = valueOf(read);
    position = positionOf(read);
    if (position === 0 || valueLength < -1 || valueLength > <i32>(recordEnd - position)) return 0;
    position += max(valueLength, 0);
  }
  return position;
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

let varlongValue: i64 = 0;

/** The position behind it, 0 when it overran; the value is in varlongValue. */
function varlong(position: usize, limit: usize): usize {
  let value: u64 = 0;
  for (let shift: u64 = 0; shift < 70; shift += 7) {
    if (position >= limit) return 0;
    const byte = <u64>load<u8>(position++);
    value |= (byte & 127) << shift;
    if (byte >= 128) continue;
    if (shift === 63 && byte > 1) return 0;
    varlongValue = <i64>((value >>> 1) ^ -(value & 1));
    return position;
  }
  return 0;
}
