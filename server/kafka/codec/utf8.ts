// Text as UTF-8, both ways, with a short way for short ASCII, which names mostly are.
//
// Owns: that ill-formed bytes are refused, so that two ids that differ never become one.

import { malformed } from "./malformed.ts";

const encoder = new TextEncoder();
// Without ignoreBOM it would swallow U+FEFF at the beginning.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to this a loop is faster than a call. Bytes. */
const shortBytes = 24;

export function readUtf8(bytes: Uint8Array, from: number, to: number): string {
  if (to - from <= shortBytes) {
    let text = "";
    let at = from;
    for (; at < to; at++) {
      const byte = bytes[at]!;
      if (byte > 127) break;
      text += String.fromCharCode(byte);
    }
    if (at === to) return text;
  }
  try {
    return decoder.decode(bytes.subarray(from, to));
  } catch {
    throw malformed("a string is not UTF-8");
  }
}

/** What the text takes; half a surrogate pair takes the three bytes of U+FFFD. Bytes. */
export function utf8Length(text: string): number {
  const { length } = text;
  let bytes = length;
  for (let at = 0; at < length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else {
      bytes += 2;
      const isPair = unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00;
      // Four bytes for two units.
      if (isPair) at += 1;
    }
  }
  return bytes;
}

/** Writes the text where it fits for certain; `bytes` from there on has its `utf8Length`. */
export function writeUtf8(text: string, bytes: Uint8Array, position: number): void {
  const { length } = text;
  if (length <= shortBytes) {
    let at = 0;
    for (; at < length; at++) {
      const unit = text.charCodeAt(at);
      if (unit > 127) break;
      bytes[position + at] = unit;
    }
    if (at === length) return;
  }
  encoder.encodeInto(text, bytes.subarray(position));
}
