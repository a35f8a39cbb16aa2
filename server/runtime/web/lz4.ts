// LZ4 frames, read.
//
//   magic 04224D18 | FLG | BD | content size? 8 | dictionary id? 4 | header checksum 1
//   block: size 4, high bit: stored | bytes | checksum? 4 ...   end: size 0 | checksum? 4
//   sequence: token (literals << 4 | match) | more length.. | literals | distance 2 | more length..
//
// Source: lz4 "Frame Format Description" 1.6.2 and "Block Format Description".
//
// Owns: strictness: every length is checked before it is used, so that hostile bytes throw and
//   neither loop nor read outside (lz4js, the package for it, does both).
// Never: verifies the xxHash sums; a record batch has its CRC-32C.

import { GrowingOutput } from "./growing-output.ts";

const frameMagic = 0x184d2204;
/** 16 numbers from here on: to be skipped. */
const skippableMagic = 0x184d2a50;
const minimumMatchBytes = 4;
const stored = 0x80000000;

/** Opens one or more frames; throws when they are broken, cut short or larger than `maxBytes`. */
export function lz4Decompress(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const output = new GrowingOutput(maxBytes, bytes.length * 4);
  let at = 0;
  do at = readFrame(bytes, view, at, output);
  while (at < bytes.length);
  return output.finish();
}

function readFrame(bytes: Uint8Array, view: DataView, start: number, output: GrowingOutput): number {
  if (start + 8 > bytes.length) throw broken("cut short");
  const magic = view.getUint32(start, true);
  if (magic >>> 4 === skippableMagic >>> 4) return within(bytes, start + 8 + view.getUint32(start + 4, true));
  if (magic !== frameMagic) throw broken("not a frame");
  const flags = bytes[start + 4] as number;
  if (flags >>> 6 !== 1) throw broken("unknown version");
  if ((flags & 1) !== 0) throw broken("needs a dictionary");
  const blockChecksumBytes = (flags & 16) === 0 ? 0 : 4;
  const contentChecksumBytes = (flags & 4) === 0 ? 0 : 4;
  let at = start + 6 + ((flags & 8) === 0 ? 0 : 8) + 1;
  const frameStart = output.length;
  for (;;) {
    if (at + 4 > bytes.length) throw broken("cut short");
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) return within(bytes, at + contentChecksumBytes);
    const end = at + (size >= stored ? size - stored : size);
    if (end > bytes.length) throw broken("cut short");
    if (size >= stored) output.append(bytes.subarray(at, end));
    else readBlock(bytes, at, end, output, frameStart);
    at = within(bytes, end + blockChecksumBytes);
  }
}

function readBlock(bytes: Uint8Array, start: number, end: number, output: GrowingOutput, frameStart: number): void {
  let at = start;
  while (at < end) {
    const token = bytes[at++] as number;
    let literals = token >>> 4;
    if (literals === 15) {
      let more: number;
      do {
        if (at >= end) throw broken("a length overruns its block");
        more = bytes[at++] as number;
        literals += more;
      } while (more === 255);
    }
    if (at + literals > end) throw broken("literals overrun their block");
    output.append(bytes.subarray(at, at + literals));
    at += literals;
    if (at === end) return;
    if (at + 2 > end) throw broken("a match overruns its block");
    const distance = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    at += 2;
    let match = (token & 15) + minimumMatchBytes;
    if ((token & 15) === 15) {
      let more: number;
      do {
        if (at >= end) throw broken("a length overruns its block");
        more = bytes[at++] as number;
        match += more;
      } while (more === 255);
    }
    if (distance === 0 || distance > output.length - frameStart) throw broken("a match begins before the data");
    output.repeat(distance, match);
  }
}

function within(bytes: Uint8Array, position: number): number {
  if (position > bytes.length) throw broken("cut short");
  return position;
}

function broken(why: string): Error {
  return new Error(`lz4: ${why}`);
}
