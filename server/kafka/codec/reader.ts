// Reads Kafka's primitive types off a frame, in one piece or in the chunks that it came in.
//
// Owns: bounds. A length is compared with what is left before anything is allocated; a count of
//   elements with what they take at least, and with how many one message may have.
// Never: knows a message (schema/), or copies record batches: those are views on the frame.
//
// Everything is big-endian. Strings, bytes and uuids are copies, so that what is kept of them does
// not keep the frame. What is refused is a MoldauError, INVALID_REQUEST.

import type { RunBytes } from "../../../engine/index.ts";
import { malformed } from "./malformed.ts";
import { readUtf8 } from "./utf8.ts";

/**
 * Elements of all arrays of one message together: an element of three bytes becomes an object of
 * a hundred and more. A cluster of Kafka's has fewer partitions.
 */
export const maxElements = 200_000;

const noBytes: Uint8Array = new Uint8Array(0);
const hexDigits: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const highWord = 4_294_967_296;

export class Reader {
  /** What is being read, for the words of an error. */
  field = "header";
  readonly #chunks: readonly Uint8Array[];
  #next: number;
  #bytes: Uint8Array;
  #at = 0;
  /** In the chunks from `#next` on. */
  #laterBytes = 0;
  #elementsLeft = maxElements;
  #wholeFrom = 0;

  constructor(frame: RunBytes) {
    if (frame instanceof Uint8Array) {
      this.#chunks = [];
      this.#bytes = frame;
      this.#next = 0;
    } else {
      this.#chunks = frame;
      this.#bytes = frame[0] ?? noBytes;
      this.#next = 1;
      for (let index = 1; index < frame.length; index++) this.#laterBytes += frame[index]!.length;
    }
  }

  /** Of all arrays that were read so far. */
  get elements(): number {
    return maxElements - this.#elementsLeft;
  }

  /** Bytes. */
  get remaining(): number {
    return this.#bytes.length - this.#at + this.#laterBytes;
  }

  int8(): number {
    return (this.#byte() << 24) >> 24;
  }

  bool(): boolean {
    return this.#byte() !== 0;
  }

  int16(): number {
    const at = this.#at;
    if (at + 2 > this.#bytes.length) return (this.int8() << 8) | this.#byte();
    this.#at = at + 2;
    return ((this.#bytes[at]! << 24) >> 16) | this.#bytes[at + 1]!;
  }

  int32(): number {
    const at = this.#at;
    const bytes = this.#bytes;
    if (at + 4 > bytes.length) return (this.int16() << 16) | (this.#byte() << 8) | this.#byte();
    this.#at = at + 4;
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  /** Refuses what a double cannot hold to the last digit. */
  int64(): number {
    const high = this.int32();
    const low = this.int32() >>> 0;
    const value = high * highWord + low;
    if (!Number.isSafeInteger(value))
      throw malformed(`${this.field} is ${(BigInt(high) << 32n) | BigInt(low)}: whole numbers end at ±(2^53-1) here`);
    return value;
  }

  /** As flexible versions have their lengths; at most 32 bits. */
  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    const last = this.#byte();
    if (last > 0x0f) throw malformed(`${this.field}: a varint of more than 32 bits`);
    return (value | (last << 28)) >>> 0;
  }

  /** Zigzag, as a record has its lengths. */
  varint(): number {
    const value = this.unsignedVarint();
    return (value >>> 1) ^ -(value & 1);
  }

  /** 32 hex digits, as the engine writes the ids of topics. */
  uuid(): string {
    const bytes = this.#whole(16);
    const from = this.#wholeFrom;
    let text = "";
    for (let at = from; at < from + 16; at++) text += hexDigits[bytes[at]!];
    return text;
  }

  string(): string {
    return this.nullableString() ?? this.#mayNotBeNull();
  }

  nullableString(): string | null {
    return this.#text(this.#length(this.int16()));
  }

  compactString(): string {
    return this.nullableCompactString() ?? this.#mayNotBeNull();
  }

  nullableCompactString(): string | null {
    const length = this.#compactLength();
    if (length > 32_767) throw malformed(`${this.field} is a string of ${length} bytes: the longest has 32767`);
    return this.#text(length);
  }

  /** A copy, the caller's own. */
  bytes(): Uint8Array {
    return this.nullableBytes() ?? this.#mayNotBeNull();
  }

  nullableBytes(): Uint8Array | null {
    return this.#copy(this.#length(this.int32()));
  }

  compactBytes(): Uint8Array {
    return this.nullableCompactBytes() ?? this.#mayNotBeNull();
  }

  nullableCompactBytes(): Uint8Array | null {
    return this.#copy(this.#compactLength());
  }

  /** Views on the frame: one, or one a chunk that they lie in. */
  records(): RunBytes {
    return this.nullableRecords() ?? this.#mayNotBeNull();
  }

  nullableRecords(): RunBytes | null {
    return this.#views(this.#length(this.int32()));
  }

  compactRecords(): RunBytes {
    return this.nullableCompactRecords() ?? this.#mayNotBeNull();
  }

  nullableCompactRecords(): RunBytes | null {
    return this.#views(this.#compactLength());
  }

  /** -1 is null. `elementBytes`: what an element takes at least, 1 or more. */
  arrayLength(elementBytes: number): number {
    return this.#count(this.#length(this.int32()), elementBytes);
  }

  compactArrayLength(elementBytes: number): number {
    return this.#count(this.#compactLength(), elementBytes);
  }

  skip(sizeBytes: number): void {
    this.#need(sizeBytes);
    let left = sizeBytes;
    for (let here = this.#bytes.length - this.#at; here < left; here = this.#bytes.length) {
      left -= here;
      this.#advance();
    }
    this.#at += left;
  }

  /** -1 stays; what is below, or more than is left, is refused. */
  #length(length: number): number {
    if (length < -1) throw malformed(`${this.field} has a length of ${length}`);
    return length;
  }

  #compactLength(): number {
    return this.unsignedVarint() - 1;
  }

  #count(count: number, elementBytes: number): number {
    if (count <= 0) return count;
    if (count * elementBytes > this.remaining)
      throw malformed(
        `${this.field} has ${count} elements of at least ${elementBytes} bytes, and ${this.remaining} bytes are left`,
      );
    this.#elementsLeft -= count;
    if (this.#elementsLeft < 0) throw malformed(`${this.field}: a message has more than ${maxElements} elements`);
    return count;
  }

  #text(length: number): string | null {
    if (length < 0) return null;
    if (length === 0) return "";
    const bytes = this.#whole(length);
    return readUtf8(bytes, this.#wholeFrom, this.#wholeFrom + length);
  }

  #copy(length: number): Uint8Array | null {
    if (length < 0) return null;
    if (length === 0) return noBytes;
    const bytes = this.#whole(length);
    // Not `slice`: of a Node Buffer it would be a view.
    const copy = new Uint8Array(length);
    copy.set(bytes.subarray(this.#wholeFrom, this.#wholeFrom + length));
    return copy;
  }

  #views(length: number): RunBytes | null {
    if (length < 0) return null;
    this.#need(length);
    const end = this.#at + length;
    if (end <= this.#bytes.length) {
      const view = this.#bytes.subarray(this.#at, end);
      this.#at = end;
      return view;
    }
    const views: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      const here = Math.min(left, this.#bytes.length - this.#at);
      if (here > 0) views.push(this.#bytes.subarray(this.#at, this.#at + here));
      this.#at += here;
      left -= here;
      if (left > 0) this.#advance();
    }
    return views;
  }

  /** So many bytes in one piece, which begin at `#wholeFrom`; what crosses chunks is copied together. */
  #whole(length: number): Uint8Array {
    const end = this.#at + length;
    if (end <= this.#bytes.length) {
      this.#wholeFrom = this.#at;
      this.#at = end;
      return this.#bytes;
    }
    this.#need(length);
    const together = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const piece = this.#bytes.subarray(this.#at, this.#at + length - done);
      together.set(piece, done);
      done += piece.length;
      this.#at += piece.length;
      if (done < length) this.#advance();
    }
    this.#wholeFrom = 0;
    return together;
  }

  /** Steps to the next chunk; there is one, or `#need` would have thrown. */
  #advance(): void {
    this.#bytes = this.#chunks[this.#next++]!;
    this.#laterBytes -= this.#bytes.length;
    this.#at = 0;
  }

  #byte(): number {
    while (this.#at === this.#bytes.length) {
      this.#need(1);
      this.#advance();
    }
    return this.#bytes[this.#at++]!;
  }

  #need(sizeBytes: number): void {
    if (sizeBytes > this.remaining)
      throw malformed(`${this.field} needs ${sizeBytes} bytes, and ${this.remaining} are left`);
  }

  #mayNotBeNull(): never {
    throw malformed(`${this.field} is null, and may not be`);
  }
}
