// The records inside an uncompressed batch, found without copying.
//
//   | length | attributes | timestamp | offset | key    | key | value  | value | header | headers ...
//   | varint | 1 byte     | delta     | delta  | length |     | length |       | count  |
//                           varlong     varint   varint         varint           varint
//   header: | key length varint | key | value length varint | value |
//
// Varints are zigzag, little-endian groups of seven bits, at most 5 bytes (10 for the varlong);
// bits beyond 32 (64) are refused. A length of -1 is null, for keys and values only.
// Source: Kafka's "Record" (KIP-98).
//
// Owns: one record's shape. Never: the density of offsets (batch-validate.ts), or a checksum.
//
// Invariants: reads nothing outside [position, end); each record that passes takes at least
//   smallestRecordBytes, so a walk ends whatever the counts claim.

import { smallestRecordBytes } from "../batch-layout.ts";
import { type Fault, field, type RecordIndex, recordStride } from "../kernel.ts";

export class RecordReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  position: number;

  timestampDelta = 0;
  offsetDelta = 0;
  keyPosition = 0;
  keyLength = 0;
  valuePosition = 0;
  valueLength = 0;
  headersPosition = 0;
  headerCount = 0;

  /** Where the piece being read ends: the record, or everything while reading its length. */
  #limit = 0;
  #overran = false;

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /** Reads the record at `position` into the fields and moves behind it; the fault when it can't. */
  next(): "record" | "timestamp" | null {
    this.#limit = this.end;
    const length = this.#varint();
    if (this.#overran || length < 1 || length > this.end - this.position) return "record";
    const recordEnd = this.position + length;
    this.#limit = recordEnd;
    this.position++; // attributes, of which Kafka defines none

    const timestampDelta = this.#varlong();
    if (this.#overran) return "record";
    if (!Number.isSafeInteger(timestampDelta)) return "timestamp";
    this.timestampDelta = timestampDelta;
    this.offsetDelta = this.#varint();

    this.keyLength = this.#length();
    this.keyPosition = this.position;
    this.#skip(this.keyLength);
    this.valueLength = this.#length();
    this.valuePosition = this.position;
    this.#skip(this.valueLength);

    this.headerCount = this.#varint();
    this.headersPosition = this.position;
    if (this.headerCount < 0) return "record";
    for (let header = 0; header < this.headerCount && !this.#overran; header++) {
      const keyLength = this.#length();
      if (keyLength < 0) return "record";
      this.#skip(keyLength);
      this.#skip(this.#length());
    }
    return this.#overran || this.position !== recordEnd ? "record" : null;
  }

  /** A length of bytes that lie within the limit, or -1. */
  #length(): number {
    const length = this.#varint();
    if (length < -1 || length > this.#limit - this.position) this.#overran = true;
    return length;
  }

  #skip(length: number): void {
    if (length > 0 && !this.#overran) this.position += length;
  }

  #varint(): number {
    const { bytes } = this;
    let at = this.position;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= this.#limit) break;
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte >= 128) continue;
      if (shift === 28 && byte > 15) break;
      this.position = at;
      return (value >>> 1) ^ -(value & 1);
    }
    this.#overran = true;
    return 0;
  }

  /** Beyond the safe integers the result is rounded, but never to a safe one. */
  #varlong(): number {
    const { bytes } = this;
    let at = this.position;
    let odd = 0;
    let half = 0; // the unsigned value without its lowest bit, halved
    let weight = 0.5;
    for (let index = 0; index < 10; index++) {
      if (at >= this.#limit) break;
      const byte = bytes[at++]!;
      if (index === 0) {
        odd = byte & 1;
        half = (byte & 126) * weight;
      } else {
        half += (byte & 127) * weight;
      }
      weight *= 128;
      if (byte >= 128) continue;
      if (index === 9 && byte > 1) break;
      this.position = at;
      return odd === 1 ? -half - 1 : half;
    }
    this.#overran = true;
    return 0;
  }
}

/** Of the records from `start` on. Offset deltas must rise; they have gaps where compaction took records out. */
export function indexRecordsOf(bytes: Uint8Array, count: number, start = 0): RecordIndex | Fault {
  if (count < 1 || count * smallestRecordBytes > bytes.length - start)
    return { ok: false, fault: "count", position: 0 };
  const fields = new Int32Array(count * recordStride);
  const timestampDeltas = new Float64Array(count);
  const reader = new RecordReader(bytes, start, bytes.length);
  let lastOffsetDelta = -1;
  for (let index = 0, column = 0; index < count; index++, column += recordStride) {
    if (reader.position === bytes.length) return { ok: false, fault: "count", position: 0 };
    const fault = reader.next();
    if (fault !== null) return { ok: false, fault, position: 0 };
    if (reader.offsetDelta <= lastOffsetDelta) return { ok: false, fault: "record", position: 0 };
    lastOffsetDelta = reader.offsetDelta;
    timestampDeltas[index] = reader.timestampDelta;
    fields[column + field.offsetDelta] = reader.offsetDelta;
    fields[column + field.keyPosition] = reader.keyPosition;
    fields[column + field.keyLength] = reader.keyLength;
    fields[column + field.valuePosition] = reader.valuePosition;
    fields[column + field.valueLength] = reader.valueLength;
    fields[column + field.headersPosition] = reader.headersPosition;
    fields[column + field.headerCount] = reader.headerCount;
    fields[column + field.recordEnd] = reader.position;
  }
  if (reader.position !== bytes.length) return { ok: false, fault: "count", position: 0 };
  return { ok: true, count, fields, timestampDeltas };
}
