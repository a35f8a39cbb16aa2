// What a batch must be before it enters a log, and what is stamped on it when it does. The order
// of checks, and why, is written in engine/kernel/twin/batch-validate.ts.

import {
  attributesAt,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  batchLengthAt,
  checksumAt,
  codecMask,
  definedAttributes,
  lastCodec,
  lastOffsetDeltaAt,
  leaderEpochAt,
  logAppendTimeBit,
  logOverheadBytes,
  magicAt,
  maxTimestampAt,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  recordsAt,
} from "./batch-layout";
import { isSafe, maxSafeInteger, readInt16, readInt32, readInt64, writeInt16, writeInt32, writeInt64 } from "./bytes";
import { crc32c } from "./crc32c";
import * as faults from "./faults";
import { checkRecords, indexPlaces, mostRecords, walkedMaxTimestamp } from "./records";
import { answer, answerCount } from "./results";

/** Answers batch count and record count, or with a fault its position. */
export function prepareRun(
  start: usize,
  sizeBytes: i32,
  baseOffset: f64,
  leaderEpoch: i32,
  maxBatchBytes: f64,
  appendTimeMs: f64,
): i32 {
  const runEnd = start + sizeBytes;
  let position = start;
  let batchCount = 0;
  let nextOffset = <i64>baseOffset;
  do {
    let fault = framingFault(position, runEnd, maxBatchBytes);
    if (fault === faults.none) fault = headerFault(position, nextOffset);
    const end = position + readInt32(position + batchLengthAt) + logOverheadBytes;
    if (fault === faults.none) fault = stampBatch(position, end, nextOffset, leaderEpoch, appendTimeMs);
    if (fault !== faults.none) {
      answer(batchCount, <i32>(position - start), 0);
      return fault;
    }
    batchCount++;
    nextOffset += readInt32(position + recordCountAt);
    position = end;
  } while (position < runEnd);
  answer(batchCount, sizeBytes, nextOffset - <i64>baseOffset);
  return faults.none;
}

const stopEnd: i32 = 0;
const stopPartial: i32 = 1;
const stopChecksum: i32 = 2;
const stopOrder: i32 = 3;
const stopHeader: i32 = 4;

/** Answers batch count, size and next offset; why it stopped is returned, numbered as in wasm.ts. */
export function validPrefix(start: usize, sizeBytes: i32, baseOffset: f64, maxBatchBytes: f64): i32 {
  const filePieceEnd = start + sizeBytes;
  let position = start;
  let batchCount = 0;
  let nextOffset = <i64>baseOffset;
  let stop = stopEnd;
  while (position < filePieceEnd) {
    const fault = framingFault(position, filePieceEnd, maxBatchBytes);
    if (fault !== faults.none) {
      stop = fault === faults.truncated ? stopPartial : stopHeader;
      break;
    }
    const end = position + readInt32(position + batchLengthAt) + logOverheadBytes;
    if (!checksumMatches(position, end)) {
      stop = stopChecksum;
      break;
    }
    const lastOffsetDelta = readInt32(position + lastOffsetDeltaAt);
    if (lastOffsetDelta < 0) {
      stop = stopHeader;
      break;
    }
    // Gaps are legal: compaction removes records. Going backwards never is.
    const batchOffset = readInt64(position + baseOffsetAt);
    if (batchOffset < nextOffset || batchOffset >= maxSafeInteger - lastOffsetDelta) {
      stop = stopOrder;
      break;
    }
    nextOffset = batchOffset + lastOffsetDelta + 1;
    position = end;
    batchCount++;
  }
  answer(batchCount, <i32>(position - start), nextOffset);
  return stop;
}

/**
 * Checks one whole batch and finds its records into the columns. Answers their count: 0 when they are
 * compressed, and more than the columns hold when nobody looked for them. A fault.
 */
export function indexBatch(start: usize, sizeBytes: i32): i32 {
  const end = start + sizeBytes;
  const fault = framingFault(start, end, Infinity);
  if (fault !== faults.none) return fault;
  if (readInt32(start + batchLengthAt) + logOverheadBytes !== sizeBytes) return faults.truncated;
  if (!checksumMatches(start, end)) return faults.checksum;
  const isCompressed = (readInt16(start + attributesAt) & codecMask) !== 0;
  const recordCount = isCompressed ? 0 : readInt32(start + recordCountAt);
  answerCount(recordCount);
  // Compaction leaves a batch without records where its producer's sequence must stay known.
  if (isCompressed || recordCount > mostRecords || (recordCount === 0 && sizeBytes === <i32>recordsAt)) return faults.none;
  return indexPlaces(start, start + recordsAt, end, recordCount);
}

/** Whether a whole batch of magic 2 and a bearable size lies at `position`. */
function framingFault(position: usize, runEnd: usize, maxBatchBytes: f64): i32 {
  const remaining = <i64>(runEnd - position);
  if (remaining < <i64>recordsAt) return faults.truncated;
  const sizeBytes = <i64>readInt32(position + batchLengthAt) + logOverheadBytes;
  if (sizeBytes < <i64>recordsAt) return faults.length;
  if (<f64>sizeBytes > maxBatchBytes) return faults.tooLarge;
  if (load<i8>(position + magicAt) !== 2) return faults.magic;
  return sizeBytes > remaining ? faults.truncated : faults.none;
}

// @ts-ignore: decorator
@inline
function checksumMatches(position: usize, end: usize): bool {
  return crc32c(position + attributesAt, end - position - attributesAt, 0) === <u32>readInt32(position + checksumAt);
}

function headerFault(position: usize, baseOffset: i64): i32 {
  const end = position + readInt32(position + batchLengthAt) + logOverheadBytes;
  if (!checksumMatches(position, end)) return faults.checksum;

  const attributes = readInt16(position + attributesAt);
  if ((attributes & ~definedAttributes) !== 0 || (attributes & codecMask) > lastCodec) return faults.attributes;

  if (!isSafe(readInt64(position + baseTimestampAt))) return faults.timestamp;
  if (!isSafe(readInt64(position + maxTimestampAt))) return faults.timestamp;

  const producerId = readInt64(position + producerIdAt);
  if (producerId < -1 || !isSafe(producerId)) return faults.producer;
  if (producerId >= 0) {
    if (readInt16(position + producerEpochAt) < 0 || readInt32(position + baseSequenceAt) < 0) return faults.producer;
  }

  const recordCount = readInt32(position + recordCountAt);
  if (recordCount < 1 || recordCount - 1 !== readInt32(position + lastOffsetDeltaAt)) return faults.count;
  if (baseOffset + recordCount > maxSafeInteger) return faults.count;
  return faults.none;
}

/** Checks the records where they can be read, then stamps. Offsets and epochs lie outside the checksum. */
function stampBatch(position: usize, end: usize, baseOffset: i64, leaderEpoch: i32, appendTimeMs: f64): i32 {
  const attributes = readInt16(position + attributesAt);
  const maxTimestamp = readInt64(position + maxTimestampAt);
  let wantedMaxTimestamp = maxTimestamp;
  if ((attributes & codecMask) === 0) {
    const recordCount = readInt32(position + recordCountAt);
    const fault = checkRecords(position + recordsAt, end, recordCount, readInt64(position + baseTimestampAt));
    if (fault !== faults.none) return fault;
    wantedMaxTimestamp = walkedMaxTimestamp;
  }
  writeInt64(position + baseOffsetAt, baseOffset);
  writeInt32(position + leaderEpochAt, leaderEpoch);

  const isLogAppendTime = appendTimeMs >= 0;
  const wantedAttributes = isLogAppendTime ? attributes | logAppendTimeBit : attributes & ~logAppendTimeBit;
  if (isLogAppendTime) wantedMaxTimestamp = <i64>appendTimeMs;
  if (attributes === wantedAttributes && maxTimestamp === wantedMaxTimestamp) return faults.none;
  writeInt16(position + attributesAt, wantedAttributes);
  writeInt64(position + maxTimestampAt, wantedMaxTimestamp);
  writeInt32(position + checksumAt, crc32c(position + attributesAt, end - position - attributesAt, 0));
  return faults.none;
}
