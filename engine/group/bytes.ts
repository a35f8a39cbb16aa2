// Kafka's primitive types as bytes: big-endian numbers, strings, arrays, and their compact forms.
//
//   string          int16 length, UTF-8            -1 is null
//   bytes, array    int32 length, items            -1 is null
//   compact ones    unsigned varint of length + 1  0 is null
//   tagged fields   unsigned varint count, (tag, size, bytes)*, after each structure of a flexible version
//
// Owns: these encodings. Never: knows a record (record-keys.ts and the values beside it).
//
// Invariants: a reader never goes past its end, and allocates nothing for a length that the bytes
//   left cannot hold; what is broken is CORRUPT_MESSAGE. An int64 beyond 2^53-1 is refused.

import { MoldauError } from "../errors.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const int32Range = 2 ** 32;
const noBytes = new Uint8Array(0);

export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(128);
  #view: DataView = new DataView(this.#bytes.buffer);
  #length = 0;

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(sizeBytes: number): number {
    const at = this.#length;
    const end = at + sizeBytes;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = end;
    return at;
  }

  int8(value: number): this {
    const at = this.#room(1);
    this.#view.setInt8(at, value);
    return this;
  }

  int16(value: number): this {
    const at = this.#room(2);
    this.#view.setInt16(at, value);
    return this;
  }

  int32(value: number): this {
    const at = this.#room(4);
    this.#view.setInt32(at, value);
    return this;
  }

  int64(value: number): this {
    const at = this.#room(8);
    const high = Math.floor(value / int32Range);
    this.#view.setInt32(at, high);
    this.#view.setUint32(at + 4, value - high * int32Range);
    return this;
  }

  unsignedVarint(value: number): this {
    let left = value;
    while (left > 127) {
      this.#put((left & 127) | 128);
      left >>>= 7;
    }
    this.#put(left);
    return this;
  }

  #put(byte: number): void {
    const at = this.#room(1);
    this.#bytes[at] = byte;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  string(value: string | null, compact = false): this {
    if (value === null) return compact ? this.unsignedVarint(0) : this.int16(-1);
    const bytes = encoder.encode(value);
    if (compact) this.unsignedVarint(bytes.length + 1);
    else if (bytes.length > 32767) {
      throw new MoldauError("INVALID_REQUEST", `a text of ${bytes.length} bytes is too long: at most 32767 are stored`);
    } else this.int16(bytes.length);
    return this.raw(bytes);
  }

  bytes(value: Uint8Array, compact = false): this {
    return this.arrayLength(value.length, compact).raw(value);
  }

  arrayLength(length: number, compact = false): this {
    return compact ? this.unsignedVarint(length + 1) : this.int32(length);
  }

  /** 32 hex digits as 16 bytes. */
  uuid(hex: string): this {
    const at = this.#room(16);
    for (let byte = 0; byte < 16; byte += 1) {
      this.#bytes[at + byte] = Number.parseInt(hex.slice(byte * 2, byte * 2 + 2), 16);
    }
    return this;
  }

  noTags(): this {
    return this.unsignedVarint(0);
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(sizeBytes: number): number {
    const at = this.#at;
    if (sizeBytes > this.#bytes.length - at) {
      throw corrupt(`it ends at byte ${this.#bytes.length}, where ${sizeBytes} more bytes from ${at} on are due`);
    }
    this.#at = at + sizeBytes;
    return at;
  }

  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }

  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }

  int64(): number {
    const at = this.#take(8);
    const value = this.#view.getInt32(at) * int32Range + this.#view.getUint32(at + 4);
    if (!Number.isSafeInteger(value)) throw corrupt(`the number at byte ${at} is beyond 2^53-1`);
    return value;
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#take(1)] as number;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw corrupt(`a length before byte ${this.#at} has no end`);
  }

  nullableString(compact = false): string | null {
    const length = compact ? this.unsignedVarint() - 1 : this.int16();
    if (length < -1) throw corrupt(`a length of ${length} before byte ${this.#at}`);
    if (length === -1) return null;
    const at = this.#take(length);
    return decoder.decode(this.#bytes.subarray(at, at + length));
  }

  string(compact = false): string {
    return this.nullableString(compact) ?? this.#notNull();
  }

  #notNull(): never {
    throw corrupt(`null before byte ${this.#at}, where it may not be`);
  }

  /** A copy; null is none. */
  bytes(compact = false): Uint8Array {
    const length = compact ? this.unsignedVarint() - 1 : this.int32();
    if (length < -1) throw corrupt(`a length of ${length} before byte ${this.#at}`);
    if (length <= 0) return noBytes;
    const at = this.#take(length);
    return this.#bytes.slice(at, at + length);
  }

  /** Items of at least `itemBytes` each follow; null is none. */
  arrayLength(itemBytes: number, compact = false): number {
    const length = compact ? this.unsignedVarint() - 1 : this.int32();
    if (length < -1 || length * itemBytes > this.left) throw corrupt(`an array of ${length} before byte ${this.#at}`);
    return Math.max(0, length);
  }

  array<Item>(itemBytes: number, compact: boolean, read: () => Item): Item[] {
    const items: Item[] = [];
    for (let left = this.arrayLength(itemBytes, compact); left > 0; left -= 1) items.push(read());
    return items;
  }

  uuid(): string {
    const at = this.#take(16);
    let hex = "";
    for (let byte = at; byte < at + 16; byte += 1) hex += (this.#bytes[byte] as number).toString(16).padStart(2, "0");
    return hex;
  }

  skipTags(): void {
    for (let left = this.unsignedVarint(); left > 0; left -= 1) {
      this.unsignedVarint();
      this.#take(this.unsignedVarint());
    }
  }
}

export function corrupt(problem: string): MoldauError {
  return new MoldauError("CORRUPT_MESSAGE", `a record of a group cannot be read: ${problem}`);
}
