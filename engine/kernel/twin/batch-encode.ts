// A batch written from columns: uncompressed, base offset 0, leader epoch -1.
//
// The base timestamp is the first record's, as Kafka's own producer does it; deltas may be negative.
//
// Owns: sizes and bytes of varints, records and the header. Never: compresses or splits.

import { at, logOverheadBytes } from "../batch-layout.ts";
import type { BatchColumns, EncodeOptions } from "../kernel.ts";
import { writeInt64 } from "./batch-validate.ts";
import { crc32cOf } from "./crc32c.ts";

export const noRecords = "a batch holds at least one record";
export const badLength = "the columns hold a length that is none, or more lengths than there is room for";
export const badTimestamp = "a timestamp is a safe integer of milliseconds, not negative";

/** Throws RangeError where the contract's preconditions don't hold. */
export function encodedSizeBytes({ lengths, timestamps }: BatchColumns, recordCount: number): number {
  if (recordCount < 1) throw new RangeError(noRecords);
  let sizeBytes: number = at.records;
  let column = 0;
  for (let index = 0; index < recordCount; index++) {
    const timestamp = timestamps[index]!;
    if (!Number.isSafeInteger(timestamp) || timestamp < 0) throw new RangeError(badTimestamp);
    const bodyBytes = bodySizeBytes(lengths, column, index, timestamp - timestamps[0]!);
    sizeBytes += varintSizeBytes(bodyBytes) + bodyBytes;
    column += columnsOf(lengths, column);
    if (column + 3 * (recordCount - index - 1) > lengths.length) throw new RangeError(badLength);
  }
  return sizeBytes;
}

/** `batch` has exactly encodedSizeBytes. */
export function encodeInto(
  batch: Uint8Array,
  columns: BatchColumns,
  recordCount: number,
  options: EncodeOptions,
): void {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  const baseTimestamp = columns.timestamps[0]!;
  let maxTimestamp = baseTimestamp;
  for (let index = 0; index < recordCount; index++) maxTimestamp = Math.max(maxTimestamp, columns.timestamps[index]!);
  writeRecords(batch, columns, recordCount);

  writeInt64(view, at.baseOffset, 0);
  view.setInt32(at.batchLength, batch.length - logOverheadBytes);
  view.setInt32(at.leaderEpoch, -1);
  view.setInt8(at.magic, 2);
  view.setInt16(at.attributes, 0);
  view.setInt32(at.lastOffsetDelta, recordCount - 1);
  writeInt64(view, at.baseTimestamp, baseTimestamp);
  writeInt64(view, at.maxTimestamp, maxTimestamp);
  writeInt64(view, at.producerId, options.producerId ?? -1);
  view.setInt16(at.producerEpoch, options.producerEpoch ?? -1);
  view.setInt32(at.baseSequence, options.baseSequence ?? -1);
  view.setInt32(at.recordCount, recordCount);
  view.setUint32(at.checksum, crc32cOf(batch, at.attributes, batch.length, 0));
}

/** How many lengths the record at `column` has. */
function columnsOf(lengths: Int32Array, column: number): number {
  return 3 + 2 * lengths[column + 2]!;
}

function bodySizeBytes(lengths: Int32Array, column: number, offsetDelta: number, timestampDelta: number): number {
  const headerCount = lengths[column + 2]!;
  if (headerCount < 0 || column + 3 + 2 * headerCount > lengths.length) throw new RangeError(badLength);
  let sizeBytes =
    1 +
    varintSizeBytes(timestampDelta) +
    varintSizeBytes(offsetDelta) +
    pieceSizeBytes(lengths[column]!) +
    pieceSizeBytes(lengths[column + 1]!) +
    varintSizeBytes(headerCount);
  for (let header = column + 3; header < column + 3 + 2 * headerCount; header += 2) {
    if (lengths[header]! < 0) throw new RangeError(badLength);
    sizeBytes += pieceSizeBytes(lengths[header]!) + pieceSizeBytes(lengths[header + 1]!);
  }
  return sizeBytes;
}

function pieceSizeBytes(length: number): number {
  if (length < -1) throw new RangeError(badLength);
  return varintSizeBytes(length) + Math.max(length, 0);
}

function writeRecords(batch: Uint8Array, columns: BatchColumns, recordCount: number): void {
  const { bytes, lengths, timestamps } = columns;
  let position: number = at.records;
  let source = 0;
  let column = 0;
  const writePiece = (): void => {
    const length = lengths[column++]!;
    position = writeVarint(batch, position, length);
    if (length <= 0) return;
    batch.set(bytes.subarray(source, source + length), position);
    position += length;
    source += length;
  };
  for (let index = 0; index < recordCount; index++) {
    const timestampDelta = timestamps[index]! - timestamps[0]!;
    position = writeVarint(batch, position, bodySizeBytes(lengths, column, index, timestampDelta));
    batch[position++] = 0;
    position = writeVarint(batch, position, timestampDelta);
    position = writeVarint(batch, position, index);
    writePiece();
    writePiece();
    const headerCount = lengths[column++]!;
    position = writeVarint(batch, position, headerCount);
    for (let piece = 0; piece < 2 * headerCount; piece++) writePiece();
  }
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
