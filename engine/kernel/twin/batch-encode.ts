// A batch written from records: uncompressed, base offset 0, leader epoch -1.
//
// The base timestamp is the first record's, as Kafka's own producer does it; deltas may be negative.
//
// Owns: sizes and bytes of varints, records and the header. Never: compresses or splits.

import { at, logOverheadBytes } from "../batch-layout.ts";
import type { EncodeOptions, RecordToEncode } from "../kernel.ts";
import { writeInt64 } from "./batch-validate.ts";
import { crc32cOf } from "./crc32c.ts";

/** Throws RangeError where the contract's preconditions don't hold. */
export function encodedSizeBytes(records: readonly RecordToEncode[]): number {
  const first = records[0];
  if (first === undefined) throw new RangeError("a batch holds at least one record");
  let sizeBytes: number = at.records;
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!;
    requireTimestamp(record.timestamp);
    const bodyBytes = bodySizeBytes(record, index, record.timestamp - first.timestamp);
    sizeBytes += varintSizeBytes(bodyBytes) + bodyBytes;
  }
  return sizeBytes;
}

export function requireTimestamp(timestamp: number): void {
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new RangeError(`a timestamp is a safe integer of milliseconds, not ${timestamp}`);
  }
}

/** `bytes` has exactly encodedSizeBytes. */
export function encodeInto(bytes: Uint8Array, records: readonly RecordToEncode[], options: EncodeOptions): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const baseTimestamp = records[0]!.timestamp;
  let maxTimestamp = baseTimestamp;
  let position: number = at.records;
  for (let index = 0; index < records.length; index++) {
    const record = records[index]!;
    if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp;
    position = writeRecord(bytes, position, record, index, record.timestamp - baseTimestamp);
  }

  writeInt64(view, at.baseOffset, 0);
  view.setInt32(at.batchLength, bytes.length - logOverheadBytes);
  view.setInt32(at.leaderEpoch, -1);
  view.setInt8(at.magic, 2);
  view.setInt16(at.attributes, 0);
  view.setInt32(at.lastOffsetDelta, records.length - 1);
  writeInt64(view, at.baseTimestamp, baseTimestamp);
  writeInt64(view, at.maxTimestamp, maxTimestamp);
  writeInt64(view, at.producerId, options.producerId ?? -1);
  view.setInt16(at.producerEpoch, options.producerEpoch ?? -1);
  view.setInt32(at.baseSequence, options.baseSequence ?? -1);
  view.setInt32(at.recordCount, records.length);
  view.setUint32(at.checksum, crc32cOf(bytes, at.attributes, bytes.length, 0));
}

function bodySizeBytes(record: RecordToEncode, offsetDelta: number, timestampDelta: number): number {
  let sizeBytes =
    1 +
    varintSizeBytes(timestampDelta) +
    varintSizeBytes(offsetDelta) +
    nullableSizeBytes(record.key) +
    nullableSizeBytes(record.value) +
    varintSizeBytes(record.headers.length);
  for (const [key, value] of record.headers) sizeBytes += nullableSizeBytes(key) + nullableSizeBytes(value);
  return sizeBytes;
}

function writeRecord(
  bytes: Uint8Array,
  start: number,
  record: RecordToEncode,
  offsetDelta: number,
  timestampDelta: number,
): number {
  let position = writeVarint(bytes, start, bodySizeBytes(record, offsetDelta, timestampDelta));
  bytes[position++] = 0;
  position = writeVarint(bytes, position, timestampDelta);
  position = writeVarint(bytes, position, offsetDelta);
  position = writeNullable(bytes, position, record.key);
  position = writeNullable(bytes, position, record.value);
  position = writeVarint(bytes, position, record.headers.length);
  for (const [key, value] of record.headers) {
    position = writeNullable(bytes, writeNullable(bytes, position, key), value);
  }
  return position;
}

function nullableSizeBytes(content: Uint8Array | null): number {
  return content === null ? 1 : varintSizeBytes(content.length) + content.length;
}

function writeNullable(bytes: Uint8Array, position: number, content: Uint8Array | null): number {
  if (content === null) return writeVarint(bytes, position, -1);
  const start = writeVarint(bytes, position, content.length);
  bytes.set(content, start);
  return start + content.length;
}

/** Of a safe integer. Zigzag doubles it, so the size is judged on the half that is always exact. */
function varintSizeBytes(value: number): number {
  let rest = value < 0 ? -(value + 1) : value;
  let sizeBytes = 1;
  for (rest = Math.floor(rest / 64); rest > 0; rest = Math.floor(rest / 128)) sizeBytes++;
  return sizeBytes;
}

/** Any safe integer as a zigzag varint; the int32 and int64 forms are the same bytes. */
function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  const half = value < 0 ? -(value + 1) : value;
  let position = start;
  let group = ((half % 64) << 1) | (value < 0 ? 1 : 0);
  for (let rest = Math.floor(half / 64); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[position++] = group | 128;
    group = rest % 128;
  }
  bytes[position++] = group;
  return position;
}
