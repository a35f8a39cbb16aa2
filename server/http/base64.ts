// Base64 (RFC 4648, 4), as every runtime that we run on can do it.
//
// Owns: the two directions. Decoding is strict: the standard alphabet, padded, nothing else.

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const codes = new TextEncoder().encode(alphabet);
const padding = 61; // =
const none = 255;
const values = new Uint8Array(256).fill(none);
for (const [value, code] of codes.entries()) values[code] = value;
const ascii = new TextDecoder();
const encoder = new TextEncoder();

export function encodeBase64(bytes: Uint8Array): string {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  let to = 0;
  for (let from = 0; from < bytes.length; from += 3) {
    const left = bytes.length - from;
    const triple = (bytes[from]! << 16) | ((left > 1 ? bytes[from + 1]! : 0) << 8) | (left > 2 ? bytes[from + 2]! : 0);
    out[to++] = codes[triple >> 18]!;
    out[to++] = codes[(triple >> 12) & 63]!;
    out[to++] = left > 1 ? codes[(triple >> 6) & 63]! : padding;
    out[to++] = left > 2 ? codes[triple & 63]! : padding;
  }
  return ascii.decode(out);
}

/** null when the text is not base64. */
export function decodeBase64(text: string): Uint8Array | null {
  const input = encoder.encode(text);
  if (input.length % 4 !== 0) return null;
  const pads = input.at(-1) !== padding ? 0 : input.at(-2) !== padding ? 1 : 2;
  const digits = input.length - pads;
  const out = new Uint8Array((input.length / 4) * 3 - pads);
  let to = 0;
  for (let from = 0; from < digits; from += 4) {
    const a = values[input[from]!]!;
    const b = values[input[from + 1]!]!;
    const c = from + 2 < digits ? values[input[from + 2]!]! : 0;
    const d = from + 3 < digits ? values[input[from + 3]!]! : 0;
    if (a === none || b === none || c === none || d === none) return null;
    const triple = (a << 18) | (b << 12) | (c << 6) | d;
    out[to++] = triple >> 16;
    if (to < out.length) out[to++] = (triple >> 8) & 255;
    if (to < out.length) out[to++] = triple & 255;
    // Bits that no byte takes must be nought, or two texts would mean the same bytes.
    else if (from + 4 >= digits && (pads === 2 ? b & 15 : pads === 1 ? c & 3 : 0) !== 0) return null;
  }
  return out;
}
