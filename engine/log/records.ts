// Records out of batches.
//
// Owns: the step from bytes to record objects, with decompression where a reader needs it.
// Never: used on the raw path, where batches pass untouched.

import { MoldauError } from "../errors.ts";
import { type BatchFault, field, type Kernel, type RecordIndex, recordStride } from "../kernel/kernel.ts";
import { scratchBytes } from "../limits.ts";
import type { CompressionCodec, Decompressor } from "../port/world.ts";
import { BatchHeader, headerSizeBytes } from "./record-batch.ts";

export interface DecodedHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface DecodedRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly DecodedHeader[];
}

export interface DecodeOptions {
  readonly kernel: Kernel;
  readonly decompressor: Decompressor | undefined;
  /** Records before it are passed over. */
  readonly fromOffset: number;
  readonly limit: number;
  /**
   * Keys and values are views of the bytes given, which they keep in memory all together: ten times as cheap, and
   * for who is done with them soon. Else each is a copy of its own.
   */
  readonly views?: boolean;
}

const text = new TextDecoder("utf-8", { ignoreBOM: true });
const noHeaders: readonly DecodedHeader[] = [];

/**
 * Decodes whole batches, checking each one's CRC first. Throws CORRUPT_MESSAGE for what does not
 * match, UNSUPPORTED_COMPRESSION_TYPE where no decompressor was handed in.
 */
export function decodeRecords(bytes: Uint8Array, options: DecodeOptions): DecodedRecord[] {
  const records: DecodedRecord[] = [];
  const header = new BatchHeader(bytes);
  for (let position = 0; header.at(position) && records.length < options.limit; position += header.sizeBytes) {
    if (header.lastOffset >= options.fromOffset && !header.isControl) decodeBatch(header, options, records);
    else checkBatch(header, options.kernel);
  }
  return records;
}

/** What a header says is believed only when the checksum matches, also that there is nothing to read: throws CORRUPT_MESSAGE. */
export function checkBatch(header: BatchHeader, kernel: Kernel): void {
  const { position, sizeBytes } = header;
  const checked = kernel.indexBatch(header.bytes.subarray(position, position + sizeBytes));
  if (!checked.ok) throw corrupt(header, checked.fault);
}

export interface OpenedBatch {
  /** What the index's positions count in: the batch, or what was compressed in it. */
  readonly payload: Uint8Array;
  /** Where in it the first record begins. */
  readonly recordsPosition: number;
  /** The kernel's: good until its next call. */
  readonly index: RecordIndex;
}

/**
 * Finds the records of the whole batch that the header lies at, checking its CRC first. Throws
 * CORRUPT_MESSAGE and UNSUPPORTED_COMPRESSION_TYPE as `decodeRecords` does.
 */
export function openBatch(
  header: BatchHeader,
  { kernel, decompressor }: Pick<DecodeOptions, "kernel" | "decompressor">,
): OpenedBatch {
  const { position, sizeBytes, codec } = header;
  const batch = header.bytes.subarray(position, position + sizeBytes);
  const checked = kernel.indexBatch(batch);
  if (!checked.ok) throw corrupt(header, checked.fault);
  if (codec === null) return { payload: batch, recordsPosition: headerSizeBytes, index: checked };
  const payload = openPayload(header, codec, batch, decompressor);
  const index = kernel.indexRecords(payload, header.recordCount);
  if (!index.ok) throw corrupt(header, index.fault);
  return { payload, recordsPosition: 0, index };
}

function decodeBatch(header: BatchHeader, options: DecodeOptions, into: DecodedRecord[]): void {
  const { fromOffset, limit, views = false } = options;
  const { baseOffset, baseTimestamp } = header;
  const { payload, index } = openBatch(header, options);
  const appendTime = header.isLogAppendTime ? header.maxTimestamp : null;
  for (let at = 0; at < index.count && into.length < limit; at += 1) {
    const fields = at * recordStride;
    const offset = baseOffset + (index.fields[fields + field.offsetDelta] as number);
    if (offset < fromOffset) continue;
    into.push({
      offset,
      timestamp: appendTime ?? baseTimestamp + (index.timestampDeltas[at] as number),
      key: piece(payload, index, fields + field.keyPosition, views),
      value: piece(payload, index, fields + field.valuePosition, views),
      headers: decodeHeaders(payload, index, fields, views),
    });
  }
}

/** With a cause when the checksum matches: these are the bytes that a client sent, the disk is not to blame. */
function corrupt({ baseOffset, magic }: BatchHeader, fault: BatchFault): MoldauError {
  const batch = `the batch at offset ${baseOffset}`;
  if (fault === "checksum") return new MoldauError("CORRUPT_MESSAGE", `${batch} does not match its CRC-32C`);
  if (fault === "magic") return new MoldauError("CORRUPT_MESSAGE", `${batch} is of magic ${magic}, not 2`);
  return new MoldauError("CORRUPT_MESSAGE", `${batch} holds records that cannot be read`, { cause: fault });
}

function openPayload(
  header: BatchHeader,
  codec: CompressionCodec | undefined,
  batch: Uint8Array,
  decompressor: Decompressor | undefined,
): Uint8Array {
  if (codec === undefined || decompressor === undefined) {
    throw new MoldauError(
      "UNSUPPORTED_COMPRESSION_TYPE",
      `the batch at offset ${header.baseOffset} is compressed (${codec ?? "unknown codec"}) and no decompressor was handed to openBroker: read raw batches, or hand one in`,
    );
  }
  try {
    return decompressor.decompress(codec, batch.subarray(headerSizeBytes), scratchBytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MoldauError(
      "CORRUPT_MESSAGE",
      `the batch at offset ${header.baseOffset} cannot be decompressed (${codec}): ${reason}. Its raw bytes can still be read`,
      { cause: error },
    );
  }
}

function piece(payload: Uint8Array, index: RecordIndex, at: number, views: boolean): Uint8Array | null {
  return bytesOf(payload, index.fields[at] as number, index.fields[at + 1] as number, views);
}

function bytesOf(payload: Uint8Array, start: number, length: number, views: boolean): Uint8Array | null {
  if (length < 0) return null;
  return views ? payload.subarray(start, start + length) : payload.slice(start, start + length);
}

function decodeHeaders(
  payload: Uint8Array,
  index: RecordIndex,
  fields: number,
  views: boolean,
): readonly DecodedHeader[] {
  const count = index.fields[fields + field.headerCount] as number;
  if (count === 0) return noHeaders;
  const headers: DecodedHeader[] = [];
  const reader = { position: index.fields[fields + field.headersPosition] as number };
  for (let at = 0; at < count; at += 1) {
    const keyLength = readVarint(payload, reader);
    const key = text.decode(payload.subarray(reader.position, reader.position + keyLength));
    reader.position += keyLength;
    const valueLength = readVarint(payload, reader);
    const value = bytesOf(payload, reader.position, valueLength, views);
    reader.position += Math.max(0, valueLength);
    headers.push({ key, value });
  }
  return headers;
}

/** A zigzag varint of at most 32 bits; the kernel has already checked its bounds. */
function readVarint(bytes: Uint8Array, reader: { position: number }): number {
  let value = 0;
  let shift = 0;
  for (;;) {
    const byte = bytes[reader.position] as number;
    reader.position += 1;
    value |= (byte & 127) << shift;
    if (byte < 128) return (value >>> 1) ^ -(value & 1);
    shift += 7;
  }
}
