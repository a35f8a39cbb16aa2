// The header of a record batch v2, read in place.
//
//   0        8         12       16    17      21          23                27
//   | base   | batch   | leader | ma- | crc   | attributes | last offset     |
//   | offset | length  | epoch  | gic | 32C   |            | delta           |
//   27             35             43          51          53         57       61
//   | base         | max          | producer  | producer  | base     | record | records
//   | timestamp    | timestamp    | id        | epoch     | sequence | count  | ...
//
// Big-endian. Batch length counts from byte 12; the CRC covers byte 21 to the end.
// Source: Kafka's "Record Batch" (KIP-98), magic 2.
//
// Owns: positions and meanings of the header's fields.
// Never: checks a CRC or walks records (kernel), or copies.

import type { CompressionCodec } from "../port/world.ts";

export const headerSizeBytes = 61;
/** Base offset and batch length: what the batch length does not count. */
export const logOverheadBytes = 12;

// Positions within a batch, for those who write one.
export const baseOffsetAt = 0;
export const batchLengthAt = 8;
export const checksumAt = 17;
export const attributesAt = 21;
export const lastOffsetDeltaAt = 23;
export const baseTimestampAt = 27;
export const maxTimestampAt = 35;
export const baseSequenceAt = 53;
export const recordCountAt = 57;

export const codecMask = 0x07;
export const deleteHorizonBit = 0x40;

const codecs = [null, "gzip", "snappy", "lz4", "zstd"] as const;

/** A batch's header at a position of some bytes; `at` moves it, so that a walk allocates once. */
export class BatchHeader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  position: number;

  constructor(bytes: Uint8Array, position = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
  }

  /** Whether a whole header and a whole batch lie at `position`; moves there when so. */
  at(position: number): boolean {
    if (position + headerSizeBytes > this.bytes.length) return false;
    this.position = position;
    const size = this.sizeBytes;
    return size >= headerSizeBytes && position + size <= this.bytes.length;
  }

  get baseOffset(): number {
    return this.#int64(0);
  }
  /** The whole batch, header included. Bytes. */
  get sizeBytes(): number {
    return this.view.getInt32(this.position + 8) + logOverheadBytes;
  }
  get leaderEpoch(): number {
    return this.view.getInt32(this.position + 12);
  }
  get magic(): number {
    return this.view.getInt8(this.position + 16);
  }
  get checksum(): number {
    return this.view.getUint32(this.position + 17);
  }
  get attributes(): number {
    return this.view.getInt16(this.position + 21);
  }
  get lastOffset(): number {
    return this.baseOffset + this.view.getInt32(this.position + 23);
  }
  get baseTimestamp(): number {
    return this.#int64(27);
  }
  get maxTimestamp(): number {
    return this.#int64(35);
  }
  get producerId(): number {
    return this.#int64(43);
  }
  get producerEpoch(): number {
    return this.view.getInt16(this.position + 51);
  }
  get baseSequence(): number {
    return this.view.getInt32(this.position + 53);
  }
  get recordCount(): number {
    return this.view.getInt32(this.position + 57);
  }
  /** null for none; undefined for a number that names no codec. */
  get codec(): CompressionCodec | null | undefined {
    return codecs[this.attributes & codecMask];
  }
  get isLogAppendTime(): boolean {
    return (this.attributes & 8) !== 0;
  }
  get isTransactional(): boolean {
    return (this.attributes & 16) !== 0;
  }
  get isControl(): boolean {
    return (this.attributes & 32) !== 0;
  }

  /** Whether the base timestamp is when its tombstones may go: compaction's (KIP-534). */
  get hasDeleteHorizon(): boolean {
    return (this.attributes & deleteHorizonBit) !== 0;
  }

  #int64(at: number): number {
    const position = this.position + at;
    return this.view.getInt32(position) * 4294967296 + this.view.getUint32(position + 4);
  }
}
