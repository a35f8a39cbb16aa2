// CRC-32C by tables: sixteen bytes a step, for messages too short to fold and for a fold's end.
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

/** The remainder of sixteen bytes in four words, the one before them XORed into the first. */
// @ts-ignore: decorator
@inline
export function slice(a: u32, b: u32, c: u32, d: u32): u32 {
  // What waits for the remainder before comes last; one shift takes a byte to where its four bytes lie in a table.
  return (
    load<u32>((d << 2) & 1020, tables + 3 * 1024) ^ load<u32>((d >>> 6) & 1020, tables + 2 * 1024) ^
      load<u32>((d >>> 14) & 1020, tables + 1 * 1024) ^ load<u32>((d >>> 22) & 1020, tables + 0 * 1024) ^
    (load<u32>((c << 2) & 1020, tables + 7 * 1024) ^ load<u32>((c >>> 6) & 1020, tables + 6 * 1024) ^
      load<u32>((c >>> 14) & 1020, tables + 5 * 1024) ^ load<u32>((c >>> 22) & 1020, tables + 4 * 1024)) ^
    (load<u32>((b << 2) & 1020, tables + 11 * 1024) ^ load<u32>((b >>> 6) & 1020, tables + 10 * 1024) ^
      load<u32>((b >>> 14) & 1020, tables + 9 * 1024) ^ load<u32>((b >>> 22) & 1020, tables + 8 * 1024)) ^
    (load<u32>((a << 2) & 1020, tables + 15 * 1024) ^ load<u32>((a >>> 6) & 1020, tables + 14 * 1024) ^
      load<u32>((a >>> 14) & 1020, tables + 13 * 1024) ^ load<u32>((a >>> 22) & 1020, tables + 12 * 1024))
  );
}

/** The remainder of a message that follows one of `remainder`. */
export function sliceAll(position: usize, sizeBytes: usize, remainder: u32): u32 {
  const end = position + sizeBytes;
  const lastStep = end - (sizeBytes & (stepBytes - 1));
  for (; position < lastStep; position += stepBytes) {
    remainder = slice(load<u32>(position) ^ remainder, load<u32>(position, 4), load<u32>(position, 8), load<u32>(position, 12));
  }
  for (; position < end; position++) remainder = (remainder >>> 8) ^ load<u32>(((remainder ^ load<u8>(position)) << 2) & 1020, tables);
  return remainder;
}
