// Snappy, read: raw blocks, and the framing of xerial's snappy-java that Kafka's clients use.
//
//   raw:    length varint | elements; low two bits of a tag: 00 literal, 01/10/11 copy by 1, 2, 4 bytes
//   xerial: 82 53 4E 41 50 50 59 00 | version 4 | compatible 4 | (size 4, big-endian | raw) ...
//
// Source: google/snappy format_description.txt; xerial/snappy-java SnappyOutputStream.
//
// Owns: strictness: every length is checked before it is used, so that hostile bytes throw
//   (in snappyjs, the package for it, a literal of negative length loops for ever).
// Never: compresses.

import { GrowingOutput } from "./growing-output.ts";

const xerialMagic = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00] as const;
const xerialHeaderBytes = 16;
/** No element yields more output from its bytes: a copy of 64 takes 3. */
const largestRatio = 22;

/** Opens raw or xerial-framed snappy; throws when broken, cut short or larger than `maxBytes`. */
export function snappyDecompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  if (!xerialMagic.every((byte, at) => bytes[at] === byte)) {
    const output = new GrowingOutput(maxBytes, claimedBytes(bytes, 0, bytes.length).length);
    readRaw(bytes, 0, bytes.length, output);
    return output.finish();
  }
  if (bytes.length < xerialHeaderBytes) throw broken("cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const output = new GrowingOutput(maxBytes, bytes.length * 4);
  let at = xerialHeaderBytes;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw broken("cut short");
    const end = at + 4 + view.getUint32(at);
    if (end > bytes.length) throw broken("cut short");
    readRaw(bytes, at + 4, end, output);
    at = end;
  }
  return output.finish();
}

function claimedBytes(bytes: Uint8Array, start: number, end: number): { length: number; at: number } {
  let length = 0;
  let at = start;
  for (let shift = 0; ; shift += 7) {
    if (at >= end || shift > 28) throw broken("no length");
    const byte = bytes[at++] as number;
    length += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  if (length > (end - at) * largestRatio) throw broken("claims more than its bytes can hold");
  return { length, at };
}

function readRaw(bytes: Uint8Array, start: number, end: number, output: GrowingOutput): void {
  const claimed = claimedBytes(bytes, start, end);
  output.reserve(claimed.length);
  const blockStart = output.length;
  const limit = blockStart + claimed.length;
  let { at } = claimed;
  while (at < end) {
    const tag = bytes[at++] as number;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const sizeBytes = length - 60;
        length = littleEndian(bytes, at, sizeBytes, end) + 1;
        at += sizeBytes;
      }
      if (at + length > end) throw broken("a literal overruns its block");
      if (output.length + length > limit) throw broken("holds more than it claims");
      output.append(bytes.subarray(at, at + length));
      at += length;
      continue;
    }
    let length = (tag >>> 2) + 1;
    let distance: number;
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4;
      distance = ((tag >>> 5) << 8) + littleEndian(bytes, at, 1, end);
      at += 1;
    } else {
      const sizeBytes = kind === 2 ? 2 : 4;
      distance = littleEndian(bytes, at, sizeBytes, end);
      at += sizeBytes;
    }
    if (distance === 0 || distance > output.length - blockStart) throw broken("a copy begins before the data");
    if (output.length + length > limit) throw broken("holds more than it claims");
    output.repeat(distance, length);
  }
  if (output.length !== limit) throw broken("holds less than it claims");
}

function littleEndian(bytes: Uint8Array, at: number, sizeBytes: number, end: number): number {
  if (at + sizeBytes > end) throw broken("cut short");
  let number = 0;
  for (let i = 0; i < sizeBytes; i++) number += (bytes[at + i] as number) * 2 ** (8 * i);
  return number;
}

function broken(why: string): Error {
  return new Error(`snappy: ${why}`);
}
