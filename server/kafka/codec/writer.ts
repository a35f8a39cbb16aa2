// Writes Kafka's primitive types into a list of chunks.
//
// Owns: the chunks, and where one ends: record batches become chunks of their own, by reference.
// Never: knows a message (schema/), or copies record batches.
//
// Everything is big-endian. A value that its type cannot hold is a MoldauError, INVALID_REQUEST.

import type { RunBytes } from "../../../engine/index.ts";
import { malformed } from "./malformed.ts";
import { utf8Length, writeUtf8 } from "./utf8.ts";

const highWord = 4_294_967_296;
const maxStringBytes = 32_767;
/** Short messages are written next to each other into one array: making one costs more than a message. Bytes. */
const slabBytes = 16 * 1024;
let slab: Uint8Array = new Uint8Array(0);
let slabUsed = 0;

export class Writer {
  /** What is being written, for the words of an error. */
  field = "header";
  #bytes: Uint8Array;
  /** Where the chunk begins that is being written. */
  #from: number;
  #at: number;
  /** Where its room ends. */
  #end: number;
  readonly #chunks: Uint8Array[] = [];
  #chunksBytes = 0;

  /** Most messages are shorter than `roomBytes`; longer ones move. */
  constructor(roomBytes = 256) {
    if (slabUsed + roomBytes > slab.length) {
      slab = new Uint8Array(Math.max(slabBytes, roomBytes));
      slabUsed = 0;
    }
    this.#bytes = slab;
    this.#from = slabUsed;
    this.#at = slabUsed;
    slabUsed += roomBytes;
    this.#end = slabUsed;
  }

  get sizeBytes(): number {
    return this.#chunksBytes + this.#at - this.#from;
  }

  /** All of it; nothing is written after this. */
  finish(): Uint8Array[] {
    this.#seal();
    // What it did not need is the next one's, unless that has begun already.
    if (this.#bytes === slab && this.#end === slabUsed) slabUsed = this.#at;
    return this.#chunks;
  }

  int8(value: number): void {
    this.#whole(value, -128, 127);
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  bool(value: boolean): void {
    this.#room(1);
    this.#bytes[this.#at++] = value ? 1 : 0;
  }

  int16(value: number): void {
    this.#whole(value, -32_768, 32_767);
    this.#room(2);
    this.#bytes[this.#at++] = value >> 8;
    this.#bytes[this.#at++] = value;
  }

  int32(value: number): void {
    this.#whole(value, -2_147_483_648, 2_147_483_647);
    this.#word(value);
  }

  uint32(value: number): void {
    this.#whole(value, 0, highWord - 1);
    this.#word(value);
  }

  int64(value: number): void {
    this.#whole(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    this.#word(Math.floor(value / highWord));
    this.#word(value);
  }

  unsignedVarint(value: number): void {
    this.#whole(value, 0, highWord - 1);
    this.#room(5);
    let left = value;
    for (; left > 0x7f; left >>>= 7) this.#bytes[this.#at++] = (left & 0x7f) | 0x80;
    this.#bytes[this.#at++] = left;
  }

  /** Zigzag, as a record has its lengths. */
  varint(value: number): void {
    this.#whole(value, -2_147_483_648, 2_147_483_647);
    this.unsignedVarint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** 32 hex digits. */
  uuid(value: string): void {
    if (value.length !== 32) throw malformed(`${this.field} is no uuid of 32 hex digits: '${value}'`);
    this.#room(16);
    for (let at = 0; at < 32; at += 2) {
      const byte = (hexValue(value.charCodeAt(at)) << 4) | hexValue(value.charCodeAt(at + 1));
      if (byte < 0) throw malformed(`${this.field} is no uuid of 32 hex digits: '${value}'`);
      this.#bytes[this.#at++] = byte;
    }
  }

  string(text: string): void {
    const length = this.#stringLength(text);
    this.int16(length);
    this.#text(text, length);
  }

  nullableString(text: string | null): void {
    if (text === null) this.int16(-1);
    else this.string(text);
  }

  compactString(text: string): void {
    const length = this.#stringLength(text);
    this.unsignedVarint(length + 1);
    this.#text(text, length);
  }

  nullableCompactString(text: string | null): void {
    if (text === null) this.unsignedVarint(0);
    else this.compactString(text);
  }

  bytes(bytes: Uint8Array): void {
    this.int32(bytes.length);
    this.raw(bytes);
  }

  nullableBytes(bytes: Uint8Array | null): void {
    if (bytes === null) this.int32(-1);
    else this.bytes(bytes);
  }

  compactBytes(bytes: Uint8Array): void {
    this.unsignedVarint(bytes.length + 1);
    this.raw(bytes);
  }

  nullableCompactBytes(bytes: Uint8Array | null): void {
    if (bytes === null) this.unsignedVarint(0);
    else this.compactBytes(bytes);
  }

  records(run: RunBytes): void {
    this.int32(sizeOf(run));
    this.#lend(run);
  }

  nullableRecords(run: RunBytes | null): void {
    if (run === null) this.int32(-1);
    else this.records(run);
  }

  compactRecords(run: RunBytes): void {
    this.unsignedVarint(sizeOf(run) + 1);
    this.#lend(run);
  }

  nullableCompactRecords(run: RunBytes | null): void {
    if (run === null) this.unsignedVarint(0);
    else this.compactRecords(run);
  }

  /** -1 is null. */
  arrayLength(length: number): void {
    this.int32(length);
  }

  compactArrayLength(length: number): void {
    this.unsignedVarint(length + 1);
  }

  /** A copy of these bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #lend(run: RunBytes): void {
    this.#seal();
    for (const piece of run instanceof Uint8Array ? [run] : run) {
      if (piece.length === 0) continue;
      this.#chunks.push(piece);
      this.#chunksBytes += piece.length;
    }
  }

  #seal(): void {
    if (this.#at === this.#from) return;
    this.#chunks.push(this.#bytes.subarray(this.#from, this.#at));
    this.#chunksBytes += this.#at - this.#from;
    this.#from = this.#at;
  }

  #room(sizeBytes: number): void {
    if (this.#at + sizeBytes <= this.#end) return;
    const written = this.#at - this.#from;
    const larger = new Uint8Array(2 * Math.max(512, written + sizeBytes));
    larger.set(this.#bytes.subarray(this.#from, this.#at));
    this.#bytes = larger;
    this.#end = larger.length;
    this.#from = 0;
    this.#at = written;
  }

  #word(value: number): void {
    this.#room(4);
    const bytes = this.#bytes;
    bytes[this.#at++] = value >>> 24;
    bytes[this.#at++] = value >>> 16;
    bytes[this.#at++] = value >>> 8;
    bytes[this.#at++] = value;
  }

  #stringLength(text: string): number {
    const length = utf8Length(text);
    if (length > maxStringBytes)
      throw malformed(`${this.field} is a string of ${length} bytes: the longest has ${maxStringBytes}`);
    return length;
  }

  #text(text: string, length: number): void {
    this.#room(length);
    writeUtf8(text, this.#bytes, this.#at);
    this.#at += length;
  }

  #whole(value: number, least: number, most: number): void {
    if (Number.isInteger(value) && value >= least && value <= most) return;
    throw malformed(`${this.field} is ${value}: no whole number from ${least} to ${most}`);
  }
}

/** -1 when it is none. */
function hexValue(unit: number): number {
  if (unit >= 48 && unit <= 57) return unit - 48;
  return unit >= 97 && unit <= 102 ? unit - 87 : -1;
}

function sizeOf(run: RunBytes): number {
  if (run instanceof Uint8Array) return run.length;
  let sizeBytes = 0;
  for (const piece of run) sizeBytes += piece.length;
  return sizeBytes;
}
