// CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the way that is fastest for the size.
//
// Owns: the seed, and the bytes before the first whole chunk of 16. Never: folds
//   (crc32c-fold.generated.ts; why it works is written in generate-crc32c.mjs) or looks up
//   (crc32c-slices.ts).
//
// The register before the message is the seed inverted, XORed into the message's first four bytes.

import {
  foldLarge,
  foldMiddle,
  foldSmall,
  largeFrom,
  middleFrom,
  smallFrom,
  usedOfFolds,
} from "./crc32c-fold.generated";
import { sliceAll } from "./crc32c-slices";
import { foldsBytes } from "./memory";

if (usedOfFolds > foldsBytes) ERROR("the region `folds` is too small for generate-crc32c.mjs");

/** `seed` is the checksum of what came before. */
export function crc32c(position: usize, sizeBytes: usize, seed: u32): u32 {
  if (sizeBytes < <usize>smallFrom) return ~sliceAll(position, sizeBytes, ~seed);

  // The head lies at the end of a chunk of zeros. A swizzle answers 0 for an index beyond 15.
  const headBytes = sizeBytes & 15;
  const indexes = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const register = v128.replace_lane<u32>(v128.splat<i64>(0), 0, ~seed);
  const first = v128.xor(v128.load(position), register);
  const head = v128.swizzle(first, v128.sub<i8>(indexes, v128.splat<i8>(<i8>(16 - headBytes))));
  const carry = v128.swizzle(register, v128.add<i8>(indexes, v128.splat<i8>(<i8>headBytes)));
  position += headBytes;
  sizeBytes -= headBytes;
  if (sizeBytes < <usize>middleFrom) return ~foldSmall(position, sizeBytes, head, carry);
  if (sizeBytes < <usize>largeFrom) return ~foldMiddle(position, sizeBytes, head, carry);
  return ~foldLarge(position, sizeBytes, head, carry);
}
