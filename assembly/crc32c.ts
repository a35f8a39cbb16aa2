// CRC-32C (Castagnoli, RFC 3720 appendix B.4), sixteen bytes a step.
//
// Table k holds, for each byte value, the remainder of that byte followed by k zero bytes; the
// remainder of sixteen bytes is then the XOR of sixteen look-ups, the first four of them on
// the bytes XORed with the remainder so far. Table k lies at tables + 1024 * k.

import { tables } from "./memory";

const polynomialReflected: u32 = 0x82f63b78;
const stepBytes: usize = 16;

function buildTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? polynomialReflected : 0);
    store<u32>(tables + (byte << 2), remainder);
  }
  for (let index: u32 = 256; index < 256 * <u32>stepBytes; index++) {
    const previous = load<u32>(tables + ((index - 256) << 2));
    store<u32>(tables + (index << 2), (previous >>> 8) ^ load<u32>(tables + ((previous & 255) << 2)));
  }
}
buildTables();

/** The byte at `shift` bits of a word, `zeros` bytes before the end of the step. */
// @ts-ignore: decorator
@inline
function term(word: u64, shift: u64, zeros: usize): u32 {
  return load<u32>(tables + 1024 * zeros + (((<usize>(word >>> shift)) & 255) << 2));
}

/** `seed` is the checksum of what came before. */
export function crc32c(position: usize, sizeBytes: usize, seed: u32): u32 {
  let crc = ~seed;
  const end = position + sizeBytes;
  const lastStep = end - (sizeBytes & (stepBytes - 1));
  for (; position < lastStep; position += stepBytes) {
    const low = load<u64>(position) ^ <u64>crc;
    const high = load<u64>(position, 8);
    crc =
      term(low, 0, 15) ^ term(low, 8, 14) ^ term(low, 16, 13) ^ term(low, 24, 12) ^
      term(low, 32, 11) ^ term(low, 40, 10) ^ term(low, 48, 9) ^ term(low, 56, 8) ^
      term(high, 0, 7) ^ term(high, 8, 6) ^ term(high, 16, 5) ^ term(high, 24, 4) ^
      term(high, 32, 3) ^ term(high, 40, 2) ^ term(high, 48, 1) ^ term(high, 56, 0);
  }
  for (; position < end; position++) crc = (crc >>> 8) ^ term(crc ^ load<u8>(position), 0, 0);
  return ~crc;
}
