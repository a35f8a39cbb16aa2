// Splits the bytes of a connection into frames.
//
//   0           4
//   | size      | size bytes: a request's header and body
//
// Owns: where a frame ends; what has come of one that is not whole; that what is no Kafka request
//   is named: a browser or a load balancer on this port is a usual mistake.
// Never: looks into a frame, or says how many may be in hand (connection.ts).
//
// Invariants: a size is judged before a byte of its frame is kept; nothing is allocated for what
//   has not come; of a frame that comes in small pieces these are copied together, so that one in
//   single bytes costs no object a byte.

import type { RunBytes } from "../../engine/index.ts";
import { limits, MoldauError } from "../../engine/index.ts";
import { malformed } from "./codec/malformed.ts";

export interface Frame {
  /** In one piece, or in the chunks that it came in. */
  readonly bytes: RunBytes;
  readonly sizeBytes: number;
}

const prefixBytes = 4;
/** Beyond this, no size could be told from "GET " or a TLS hello. Bytes. */
const largestFrame = 256 * 1024 * 1024;
/** Pieces below this are copied together, so many bytes in one. Bytes. */
const smallBytes = 4096;
const togetherBytes = 16 * 1024;
const httpWords = new Set("GET POST PUT HEAD DELETE OPTIONS PATCH CONNECT TRACE PRI HTTP".split(" ").map(firstFour));

export class FrameSplitter {
  readonly maxFrameBytes: number;
  /** What came and belongs to no frame yet; of the first, what lies before `#at` has been taken. */
  readonly #waiting: Uint8Array[] = [];
  #at = 0;
  #waitingBytes = 0;
  /** Of the frame that is coming; -1 before its prefix is whole. */
  #sizeBytes = -1;
  #pieces: Uint8Array[] = [];
  #gathered = 0;
  /** Where small pieces are copied together, and how far it is used. */
  #together: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** What is larger than `maxFrameBytes` is refused. */
  constructor(maxFrameBytes: number = limits.inFlightBytes) {
    if (!Number.isInteger(maxFrameBytes) || maxFrameBytes < 1 || maxFrameBytes > largestFrame) {
      const range = `1 to ${largestFrame} bytes`;
      throw new MoldauError("INVALID_CONFIG", `the largest frame may have ${range}, not ${maxFrameBytes}`);
    }
    this.maxFrameBytes = maxFrameBytes;
  }

  /** What came and has not been handed on. Bytes. */
  get heldBytes(): number {
    return this.#waitingBytes + this.#gathered;
  }

  /** The chunk is the frames' own from now on. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
  }

  /** The size of the frame that is coming, as soon as it has been said, else null. Throws when it may not be. Bytes. */
  peekSize(): number | null {
    if (this.#sizeBytes < 0) {
      if (this.#waitingBytes < prefixBytes) return null;
      let size = 0;
      for (let left = prefixBytes; left > 0; left--) size = (size << 8) | this.#takeByte();
      this.#judge(size);
      this.#sizeBytes = size;
    }
    return this.#sizeBytes;
  }

  /** The next frame, once all of it has come, else null. */
  next(): Frame | null {
    const sizeBytes = this.peekSize();
    if (sizeBytes === null) return null;
    while (this.#gathered < sizeBytes) {
      const chunk = this.#waiting[0];
      if (chunk === undefined) return null;
      const end = Math.min(chunk.length, this.#at + sizeBytes - this.#gathered);
      this.#keep(chunk.subarray(this.#at, end), sizeBytes);
      this.#waitingBytes -= end - this.#at;
      this.#moveTo(end);
    }
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : this.#pieces;
    this.#pieces = [];
    this.#gathered = 0;
    this.#sizeBytes = -1;
    this.#together = this.#together.subarray(this.#used);
    this.#used = 0;
    return { bytes, sizeBytes };
  }

  /** Forgets all that came. */
  clear(): void {
    this.#waiting.length = 0;
    this.#at = 0;
    this.#waitingBytes = 0;
    this.#pieces = [];
    this.#gathered = 0;
    this.#sizeBytes = -1;
  }

  #keep(piece: Uint8Array, sizeBytes: number): void {
    this.#gathered += piece.length;
    const isWhole = piece.length === sizeBytes;
    if (isWhole || piece.length >= smallBytes) {
      this.#pieces.push(piece);
      return;
    }
    if (this.#used + piece.length > this.#together.length) {
      // Never more than has come and is still to come.
      const room = Math.max(piece.length, Math.min(togetherBytes, sizeBytes - this.#gathered + piece.length));
      this.#together = new Uint8Array(room);
      this.#used = 0;
    }
    const from = this.#used;
    this.#together.set(piece, from);
    this.#used += piece.length;
    const last = this.#pieces.at(-1);
    const goesOn = last?.buffer === this.#together.buffer;
    if (goesOn) this.#pieces[this.#pieces.length - 1] = this.#together.subarray(from - last.length, this.#used);
    else this.#pieces.push(this.#together.subarray(from, this.#used));
  }

  #judge(size: number): void {
    if (size >= 1 && size <= this.maxFrameBytes) return;
    if (httpWords.has(size)) throw malformed("this is a Kafka port, and what came is an HTTP request");
    // A record of TLS: handshake, version 3.x, the first byte of its length.
    if (size >>> 16 === 0x1603) throw malformed("this is a Kafka port without TLS, and what came is a TLS hello");
    if (size < 1) throw malformed(`a frame of ${size} bytes: no Kafka request is so short`);
    throw malformed(`a frame of ${size} bytes: the largest may have ${this.maxFrameBytes}`);
  }

  #takeByte(): number {
    const byte = this.#waiting[0]![this.#at]!;
    this.#waitingBytes -= 1;
    this.#moveTo(this.#at + 1);
    return byte;
  }

  #moveTo(at: number): void {
    this.#at = at;
    if (at < this.#waiting[0]!.length) return;
    this.#waiting.shift();
    this.#at = 0;
  }
}

/** As a size would be read off them. */
function firstFour(word: string): number {
  const text = `${word} /`;
  let size = 0;
  for (let at = 0; at < prefixBytes; at++) size = (size << 8) | text.charCodeAt(at);
  return size;
}
