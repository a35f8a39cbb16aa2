// Takes out of one batch the records that compaction takes.
//
// Owns: which records stay, and the bytes of what stays. A batch of which all stays is not touched.
//   What is rewritten keeps its offsets, sequences and times; it is not compressed, because the
//   broker has no compressor, and becomes several batches where it would be too large for one.
// Never: a file; or decides that a batch without records must stay (compact.ts).
//
// A tombstone must be seen by everybody who saw what it deletes. So the pass that first finds it,
// and takes all that is older, writes down when it may go: `attributes` bit 6 says that the base
// timestamp is that time, the delete horizon, and the records' deltas count from it (KIP-534).
//
// Invariants: a record at or beyond `mappedTo` stays; no horizon is set on a batch that reaches
//   beyond it, because older values of its keys may be there still.

import { MoldauError } from "../errors.ts";
import { field, type Kernel, type OffsetMap, recordStride } from "../kernel/kernel.ts";
import { maxRunBytes } from "../limits.ts";
import type { Decompressor } from "../port/world.ts";
import { batchBytes } from "./batch-cursor.ts";
import {
  attributesAt,
  type BatchHeader,
  baseOffsetAt,
  baseSequenceAt,
  baseTimestampAt,
  batchLengthAt,
  checksumAt,
  codecMask,
  deleteHorizonBit,
  headerSizeBytes,
  lastOffsetDeltaAt,
  logOverheadBytes,
  maxTimestampAt,
  recordCountAt,
} from "./record-batch.ts";
import { checkBatch, type OpenedBatch, openBatch } from "./records.ts";
import { varlongBytes, writeVarlong } from "./varint.ts";

export interface SieveOptions {
  readonly kernel: Kernel;
  readonly decompressor: Decompressor | undefined;
  readonly map: OffsetMap;
  /** Records from this offset on are not in the map. */
  readonly mappedTo: number;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
}

export interface Sieved {
  /** What stays: the batch as it is, part of it, or none of its records. */
  readonly outcome: "whole" | "part" | "none";
  /** The part that stays, in batches. */
  readonly pieces: readonly Uint8Array[];
  readonly removed: number;
  /** When the last of its tombstones may go; -1 when there is none whose time is known. Milliseconds. */
  readonly horizonMs: number;
}

const whole: Sieved = { outcome: "whole", pieces: [], removed: 0, horizonMs: -1 };
const sequenceSpan = 2 ** 31;
/** The latest time that a Date can be, and small enough that a delta to any time since 1970 is safe. */
const latestHorizonMs = 8_640_000_000_000_000;

/** Throws CORRUPT_MESSAGE for a batch that is damaged, UNSUPPORTED_COMPRESSION_TYPE for one that cannot be opened. */
export function sieveBatch(header: BatchHeader, options: SieveOptions): Sieved {
  const { map, mappedTo, nowMs } = options;
  if (header.isControl || header.isTransactional || header.baseOffset >= mappedTo) {
    checkBatch(header, options.kernel);
    return whole;
  }
  const batch = openBatch(header, options);
  const { index, payload } = batch;
  const { fields, count } = index;
  if (count === 0) return { ...whole, outcome: "none" };
  const { baseOffset } = header;
  const taken = map.superseded(payload, index, baseOffset);
  const horizonMs = header.hasDeleteHorizon ? header.baseTimestamp : -1;
  const isHorizonPast = horizonMs >= 0 && nowMs >= horizonMs;
  let removed = 0;
  let hasTombstones = false;
  for (let at = 0, column = 0; at < count; at += 1, column += recordStride) {
    if (baseOffset + (fields[column + field.offsetDelta] as number) >= mappedTo) taken[at] = 0;
    else if (taken[at] === 0 && (fields[column + field.valueLength] as number) < 0) {
      if (isHorizonPast) taken[at] = 1;
      else hasTombstones = true;
    }
    removed += taken[at] as number;
  }
  if (removed === count) return { outcome: "none", pieces: [], removed, horizonMs: -1 };
  let newHorizonMs = -1;
  if (hasTombstones && horizonMs < 0 && header.lastOffset < mappedTo) newHorizonMs = horizonFor(header, batch, options);
  const knownHorizonMs = newHorizonMs >= 0 ? newHorizonMs : horizonMs;
  const rest = { removed, horizonMs: hasTombstones ? knownHorizonMs : -1 };
  if (removed === 0 && newHorizonMs < 0) return { outcome: "whole", pieces: [], ...rest };
  return { outcome: "part", pieces: new Rewrite(header, batch, taken, newHorizonMs, options.kernel).pieces(), ...rest };
}

/** -1 where a delta to it would be no safe integer: then the tombstone stays, rather than its batch becoming unreadable. */
function horizonFor(header: BatchHeader, { index }: OpenedBatch, { nowMs, deleteRetentionMs }: SieveOptions): number {
  const horizonMs = Math.min(nowMs + deleteRetentionMs, latestHorizonMs);
  for (const delta of index.timestampDeltas) {
    const timestamp = header.baseTimestamp + delta;
    if (!Number.isSafeInteger(timestamp) || !Number.isSafeInteger(timestamp - horizonMs)) return -1;
  }
  return horizonMs;
}

/** The batch without records that stays for its offsets and its producer's sequence. */
export function emptyBatch(header: BatchHeader, kernel: Kernel): Uint8Array {
  const bytes = batchBytes(header).slice(0, headerSizeBytes);
  const view = new DataView(bytes.buffer);
  view.setInt32(batchLengthAt, headerSizeBytes - logOverheadBytes);
  view.setInt16(attributesAt, header.attributes & ~codecMask & ~deleteHorizonBit);
  // As Kafka: no records, no base of their timestamps.
  writeInt64(view, baseTimestampAt, -1);
  view.setInt32(recordCountAt, 0);
  return sealed(bytes, kernel);
}

class Rewrite {
  readonly #header: BatchHeader;
  readonly #batch: OpenedBatch;
  readonly #taken: Uint8Array;
  readonly #kernel: Kernel;
  readonly #baseTimestamp: number;
  readonly #attributes: number;
  readonly #pieces: Uint8Array[] = [];
  #bytes: Uint8Array;
  #sizeBytes = headerSizeBytes;
  #baseOffset: number;
  #count = 0;
  #maxTimestamp = Number.NEGATIVE_INFINITY;

  constructor(header: BatchHeader, batch: OpenedBatch, taken: Uint8Array, newHorizonMs: number, kernel: Kernel) {
    this.#header = header;
    this.#batch = batch;
    this.#taken = taken;
    this.#kernel = kernel;
    this.#baseTimestamp = newHorizonMs >= 0 ? newHorizonMs : header.baseTimestamp;
    this.#attributes = (header.attributes & ~codecMask) | (newHorizonMs >= 0 ? deleteHorizonBit : 0);
    this.#baseOffset = header.baseOffset;
    this.#bytes = new Uint8Array(Math.min(maxRunBytes, headerSizeBytes + this.#mostBytes()));
  }

  /** What the records that stay may take: a delta may grow to ten bytes, the others to five. */
  #mostBytes(): number {
    const { recordsPosition, index, payload } = this.#batch;
    return payload.length - recordsPosition + index.count * 18;
  }

  pieces(): Uint8Array[] {
    const { index, recordsPosition } = this.#batch;
    const { fields, count, timestampDeltas } = index;
    let start = recordsPosition;
    for (let at = 0, column = 0; at < count; at += 1, column += recordStride) {
      const end = fields[column + field.recordEnd] as number;
      if (this.#taken[at] === 0) {
        const offset = this.#header.baseOffset + (fields[column + field.offsetDelta] as number);
        this.#add(start, end, offset, this.#header.baseTimestamp + (timestampDeltas[at] as number));
      }
      start = end;
    }
    this.#finish(this.#header.lastOffset);
    return this.#pieces;
  }

  #add(start: number, end: number, offset: number, timestamp: number): void {
    if (!this.#append(start, end, offset, timestamp)) {
      if (this.#count > 0) {
        this.#finish(offset - 1);
        this.#baseOffset = offset;
      }
      if (!this.#append(start, end, offset, timestamp)) {
        throw new MoldauError(
          "MESSAGE_TOO_LARGE",
          `the record at offset ${offset}, which is compressed, makes no batch of at most ${maxRunBytes} bytes without compression`,
        );
      }
    }
    this.#count += 1;
    this.#maxTimestamp = Math.max(this.#maxTimestamp, timestamp);
  }

  /** False when it does not fit. */
  #append(start: number, end: number, offset: number, timestamp: number): boolean {
    const { payload } = this.#batch;
    const { baseOffset, baseTimestamp } = this.#header;
    const into = this.#bytes;
    if (this.#baseOffset === baseOffset && this.#baseTimestamp === baseTimestamp) {
      if (this.#sizeBytes + end - start > into.length) return false;
      into.set(payload.subarray(start, end), this.#sizeBytes);
      this.#sizeBytes += end - start;
      return true;
    }
    const attributes = skipVarint(payload, start);
    const rest = skipVarint(payload, skipVarint(payload, attributes + 1));
    const timestampDelta = timestamp - this.#baseTimestamp;
    const offsetDelta = offset - this.#baseOffset;
    const bodyBytes = 1 + varlongBytes(timestampDelta) + varlongBytes(offsetDelta) + end - rest;
    if (this.#sizeBytes + varlongBytes(bodyBytes) + bodyBytes > into.length) return false;
    let position = writeVarlong(into, this.#sizeBytes, bodyBytes);
    into[position] = payload[attributes] as number;
    position = writeVarlong(into, position + 1, timestampDelta);
    position = writeVarlong(into, position, offsetDelta);
    into.set(payload.subarray(rest, end), position);
    this.#sizeBytes = position + end - rest;
    return true;
  }

  #finish(lastOffset: number): void {
    const header = this.#header;
    const bytes = this.#bytes.slice(0, this.#sizeBytes);
    bytes.set(header.bytes.subarray(header.position, header.position + headerSizeBytes));
    const view = new DataView(bytes.buffer);
    writeInt64(view, baseOffsetAt, this.#baseOffset);
    view.setInt32(batchLengthAt, bytes.length - logOverheadBytes);
    view.setInt16(attributesAt, this.#attributes);
    view.setInt32(lastOffsetDeltaAt, lastOffset - this.#baseOffset);
    writeInt64(view, baseTimestampAt, this.#baseTimestamp);
    // What was compressed was never asked for its times.
    const maxTimestamp = Math.min(this.#maxTimestamp, Number.MAX_SAFE_INTEGER);
    writeInt64(view, maxTimestampAt, header.isLogAppendTime ? header.maxTimestamp : maxTimestamp);
    if (header.producerId >= 0) {
      view.setInt32(baseSequenceAt, (header.baseSequence + this.#baseOffset - header.baseOffset) % sequenceSpan);
    }
    view.setInt32(recordCountAt, this.#count);
    this.#pieces.push(sealed(bytes, this.#kernel));
    this.#sizeBytes = headerSizeBytes;
    this.#count = 0;
    this.#maxTimestamp = Number.NEGATIVE_INFINITY;
  }
}

function sealed(bytes: Uint8Array, kernel: Kernel): Uint8Array {
  new DataView(bytes.buffer).setUint32(checksumAt, kernel.crc32c(bytes.subarray(attributesAt)));
  return bytes;
}

/** The position behind a varint that the kernel has checked. */
function skipVarint(bytes: Uint8Array, position: number): number {
  let at = position;
  while ((bytes[at] as number) >= 128) at += 1;
  return at + 1;
}

function writeInt64(view: DataView, position: number, value: number): void {
  view.setInt32(position, Math.floor(value / 4294967296));
  view.setUint32(position + 4, value);
}
