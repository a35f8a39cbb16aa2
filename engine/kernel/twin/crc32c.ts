// CRC-32C (Castagnoli, RFC 3720 appendix B.4), sixteen bytes a step.
//
// Table k holds, for each byte value, the remainder of that byte followed by k zero bytes; the
// remainder of sixteen bytes is then the XOR of sixteen look-ups, the first four of them on
// the bytes XORed with the remainder so far.
//
// Owns: the tables. Never: knows what it sums.

const polynomialReflected = 0x82f63b78;
const stepBytes = 16;

let built: Int32Array | undefined;

function tables(): Int32Array {
  if (built !== undefined) return built;
  const table = new Int32Array(stepBytes * 256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? polynomialReflected : 0);
    table[byte] = remainder;
  }
  for (let index = 256; index < table.length; index++) {
    const previous = table[index - 256] as number;
    table[index] = (previous >>> 8) ^ (table[previous & 255] as number);
  }
  built = table;
  return table;
}

/** Of `bytes` from `start` to before `end`; `seed` is the checksum of what came before them. */
export function crc32cOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  const t = tables();
  // Each `!` holds by the loops' conditions and by indexes of a byte.
  let crc = ~seed;
  let at = start;
  for (const last = end - stepBytes; at <= last; at += stepBytes) {
    crc =
      t[3840 + (bytes[at]! ^ (crc & 255))]! ^
      t[3584 + (bytes[at + 1]! ^ ((crc >>> 8) & 255))]! ^
      t[3328 + (bytes[at + 2]! ^ ((crc >>> 16) & 255))]! ^
      t[3072 + (bytes[at + 3]! ^ (crc >>> 24))]! ^
      t[2816 + bytes[at + 4]!]! ^
      t[2560 + bytes[at + 5]!]! ^
      t[2304 + bytes[at + 6]!]! ^
      t[2048 + bytes[at + 7]!]! ^
      t[1792 + bytes[at + 8]!]! ^
      t[1536 + bytes[at + 9]!]! ^
      t[1280 + bytes[at + 10]!]! ^
      t[1024 + bytes[at + 11]!]! ^
      t[768 + bytes[at + 12]!]! ^
      t[512 + bytes[at + 13]!]! ^
      t[256 + bytes[at + 14]!]! ^
      t[bytes[at + 15]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 255]!;
  return ~crc >>> 0;
}
