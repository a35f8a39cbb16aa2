// Text as UTF-8, written where it is to lie.
//
// Owns: which way is fastest for a length. Never: decodes.
//
// Halves of surrogate pairs become U+FFFD, as TextEncoder has it.

const encoder = new TextEncoder();

/** Up to this a loop over ASCII is faster than a view of the place and a call. Characters. */
const shortTextLength = 40;
const mostBytesPerUnit = 3;

/** Where the text ends in `bytes`; -1 when it does not fit, and then anything may lie from `position` on. */
export function writeUtf8(text: string, bytes: Uint8Array, position: number): number {
  const { length } = text;
  if (length <= shortTextLength && length <= bytes.length - position) {
    let at = 0;
    for (; at < length; at += 1) {
      const unit = text.charCodeAt(at);
      if (unit > 127) break;
      bytes[position + at] = unit;
    }
    if (at === length) return position + length;
  }
  const room = bytes.subarray(position, position + length * mostBytesPerUnit);
  const { read, written } = encoder.encodeInto(text, room);
  return read === length ? position + written : -1;
}
