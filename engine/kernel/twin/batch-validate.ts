// What a batch must be before it enters a log, and what is stamped on it when it does.
//
// The first check that fails names the fault, in this order: enough bytes for a header, batch
// length, size, magic, enough bytes for the batch, checksum, attributes, timestamps, producer,
// count, records. Corruption is thus "checksum" unless it hit the framing.
//
// Owns: the order of checks and the stamps. Never: a record's shape (records.ts), or whether a
//   topic wants such a batch (log/).
//
// Invariants: works in place; allocates nothing by a number that the bytes claim.

import { maxRunBytes } from "../../limits.ts";
import {
  at,
  codecMask,
  definedAttributes,
  lastCodec,
  logAppendTimeBit,
  logOverheadBytes,
  smallestRecordBytes,
} from "../batch-layout.ts";
import type { BatchFault, Fault, PreparedRun, PrepareOptions, RecordIndex, ValidPrefix } from "../kernel.ts";
import { crc32cOf } from "./crc32c.ts";
import { indexRecordsOf, RecordReader } from "./records.ts";

/** Stamps `bytes` themselves. After a fault they hold stamps up to the faulty batch. */
export function prepareInPlace(bytes: Uint8Array, options: PrepareOptions): PreparedRun | Fault {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = 0;
  let batchCount = 0;
  let recordCount = 0;
  do {
    const baseOffset = options.baseOffset + recordCount;
    const fault = framingFault(view, position, options.maxBatchBytes) ?? headerFault(bytes, view, position, baseOffset);
    if (fault !== null) return { ok: false, fault, position };
    const end = position + logOverheadBytes + view.getInt32(position + at.batchLength);

    let maxTimestamp = readInt64(view, position + at.maxTimestamp);
    const attributes = view.getInt16(position + at.attributes);
    if ((attributes & codecMask) === 0) {
      const walked = walkRecords(bytes, view, position, end);
      if (typeof walked === "string") return { ok: false, fault: walked, position };
      maxTimestamp = walked;
    }
    stamp(bytes, view, position, end, baseOffset, maxTimestamp, options);
    batchCount++;
    recordCount += view.getInt32(position + at.recordCount);
    position = end;
  } while (position < bytes.length);
  return { ok: true, bytes, batchCount, recordCount };
}

export function measureValidPrefix(bytes: Uint8Array, baseOffset: number): ValidPrefix {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sizeBytes = 0;
  let nextOffset = baseOffset;
  let batchCount = 0;
  const stopped = (stop: ValidPrefix["stop"]): ValidPrefix => ({ sizeBytes, nextOffset, batchCount, stop });

  while (sizeBytes < bytes.length) {
    const fault = framingFault(view, sizeBytes, maxRunBytes);
    if (fault !== null) return stopped(fault === "truncated" ? "partial" : "header");
    const end = sizeBytes + logOverheadBytes + view.getInt32(sizeBytes + at.batchLength);
    if (!checksumMatches(bytes, view, sizeBytes, end)) return stopped("checksum");
    const lastOffsetDelta = view.getInt32(sizeBytes + at.lastOffsetDelta);
    if (lastOffsetDelta < 0) return stopped("header");
    // Gaps are legal: compaction removes records. Going backwards never is.
    const batchOffset = readInt64(view, sizeBytes + at.baseOffset);
    if (batchOffset < nextOffset || batchOffset + lastOffsetDelta >= Number.MAX_SAFE_INTEGER) return stopped("order");
    nextOffset = batchOffset + lastOffsetDelta + 1;
    sizeBytes = end;
    batchCount++;
  }
  return stopped("end");
}

/** One batch that was checked when it entered the log: what a disk may have done to it, then its records. */
export function indexBatchOf(bytes: Uint8Array): RecordIndex | Fault {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const refused = (fault: BatchFault): Fault => ({ ok: false, fault, position: 0 });
  const fault = framingFault(view, 0, Infinity);
  if (fault !== null) return refused(fault);
  if (view.getInt32(at.batchLength) + logOverheadBytes !== bytes.length) return refused("truncated");
  if (!checksumMatches(bytes, view, 0, bytes.length)) return refused("checksum");
  // Compaction leaves a batch without records where its producer's sequence must stay known.
  const isEmpty = view.getInt32(at.recordCount) === 0 && bytes.length === at.records;
  if (isEmpty || (view.getInt16(at.attributes) & codecMask) !== 0) {
    return { ok: true, count: 0, fields: new Int32Array(0), timestampDeltas: new Float64Array(0) };
  }
  return indexRecordsOf(bytes, view.getInt32(at.recordCount), at.records);
}

/** Whether a whole batch of magic 2 and a bearable size lies at `position`. */
function framingFault(view: DataView, position: number, maxBatchBytes: number): BatchFault | null {
  const remaining = view.byteLength - position;
  if (remaining < at.records) return "truncated";
  const sizeBytes = view.getInt32(position + at.batchLength) + logOverheadBytes;
  if (sizeBytes < at.records) return "length";
  if (sizeBytes > maxBatchBytes) return "too-large";
  if (view.getInt8(position + at.magic) !== 2) return "magic";
  return sizeBytes > remaining ? "truncated" : null;
}

function checksumMatches(bytes: Uint8Array, view: DataView, position: number, end: number): boolean {
  return crc32cOf(bytes, position + at.attributes, end, 0) === view.getUint32(position + at.checksum);
}

function headerFault(bytes: Uint8Array, view: DataView, position: number, baseOffset: number): BatchFault | null {
  const end = position + logOverheadBytes + view.getInt32(position + at.batchLength);
  if (!checksumMatches(bytes, view, position, end)) return "checksum";

  const attributes = view.getInt16(position + at.attributes);
  if ((attributes & ~definedAttributes) !== 0 || (attributes & codecMask) > lastCodec) return "attributes";

  if (!Number.isSafeInteger(readInt64(view, position + at.baseTimestamp))) return "timestamp";
  if (!Number.isSafeInteger(readInt64(view, position + at.maxTimestamp))) return "timestamp";

  const producerId = readInt64(view, position + at.producerId);
  if (producerId < -1 || !Number.isSafeInteger(producerId)) return "producer";
  // Without a producer id the other two mean nothing: kafkajs then sends 0, Kafka's own client -1.
  if (producerId >= 0) {
    if (view.getInt16(position + at.producerEpoch) < 0 || view.getInt32(position + at.baseSequence) < 0)
      return "producer";
  }

  const recordCount = view.getInt32(position + at.recordCount);
  if (recordCount < 1 || recordCount - 1 !== view.getInt32(position + at.lastOffsetDelta)) return "count";
  if (baseOffset + recordCount > Number.MAX_SAFE_INTEGER) return "count";
  return null;
}

/** The largest timestamp of an uncompressed batch's records, or what is wrong with them. */
function walkRecords(bytes: Uint8Array, view: DataView, position: number, end: number): number | BatchFault {
  const recordCount = view.getInt32(position + at.recordCount);
  const baseTimestamp = readInt64(view, position + at.baseTimestamp);
  const reader = new RecordReader(bytes, position + at.records, end);
  if (recordCount * smallestRecordBytes > end - reader.position) return "count";
  let maxTimestamp = -Infinity;
  for (let offsetDelta = 0; offsetDelta < recordCount; offsetDelta++) {
    if (reader.position === end) return "count";
    const fault = reader.next();
    if (fault !== null) return fault;
    if (reader.offsetDelta !== offsetDelta) return "record";
    const timestamp = baseTimestamp + reader.timestampDelta;
    if (!Number.isSafeInteger(timestamp)) return "timestamp";
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
  }
  return reader.position === end ? maxTimestamp : "count";
}

/**
 * Base offset and leader epoch lie outside the checksum; timestamps and attributes within.
 * A client that claims LogAppendTime where the topic says CreateTime has its claim removed,
 * as in Kafka: readers would take the batch's maximum for every record's timestamp.
 */
function stamp(
  bytes: Uint8Array,
  view: DataView,
  position: number,
  end: number,
  baseOffset: number,
  recordsMaxTimestamp: number,
  { leaderEpoch, appendTimeMs }: PrepareOptions,
): void {
  writeInt64(view, position + at.baseOffset, baseOffset);
  view.setInt32(position + at.leaderEpoch, leaderEpoch);

  const isLogAppendTime = appendTimeMs >= 0;
  const attributes = view.getInt16(position + at.attributes);
  const wantedAttributes = isLogAppendTime ? attributes | logAppendTimeBit : attributes & ~logAppendTimeBit;
  const wantedMaxTimestamp = isLogAppendTime ? appendTimeMs : recordsMaxTimestamp;
  if (attributes === wantedAttributes && readInt64(view, position + at.maxTimestamp) === wantedMaxTimestamp) return;
  view.setInt16(position + at.attributes, wantedAttributes);
  writeInt64(view, position + at.maxTimestamp, wantedMaxTimestamp);
  view.setUint32(position + at.checksum, crc32cOf(bytes, position + at.attributes, end, 0));
}

/** Beyond the safe integers the result is rounded, but never to a safe one. */
export function readInt64(view: DataView, position: number): number {
  return view.getInt32(position) * 4294967296 + view.getUint32(position + 4);
}

export function writeInt64(view: DataView, position: number, value: number): void {
  view.setInt32(position, Math.floor(value / 4294967296));
  view.setUint32(position + 4, value);
}
