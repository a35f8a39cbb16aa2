// Kafka's four codecs, opened. Node, Bun and Deno share it: node:zlib works alike on them.
//
// Owns: the bound: output never passes `maxBytes`, and nothing of a claimed size is allocated
//   before the claim is checked. Whatever is broken throws an Error.
// Never: compresses; batches keep the producer's bytes.

import zlib from "node:zlib";
import { Decompress } from "fzstd";
import type { Decompressor } from "../../../engine/port/world.ts";
import { GrowingOutput } from "../web/growing-output.ts";
import { lz4Decompress } from "../web/lz4.ts";
import { snappyDecompress } from "../web/snappy.ts";

/** Every decoder is asked to take windows up to this (RFC 8878, 3.1.1.1.2). Bytes. */
const zstdWindowBytes = 8 * 1024 * 1024;

type ZstdDecompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;
/** Node has it since 22.15; before, fzstd does. */
const nativeZstd = (zlib as { zstdDecompressSync?: ZstdDecompress }).zstdDecompressSync;

export const decompressor: Decompressor = {
  decompress(codec, bytes, maxBytes) {
    switch (codec) {
      case "gzip":
        return zlib.gunzipSync(bytes, { maxOutputLength: maxBytes });
      case "snappy":
        return snappyDecompress(bytes, maxBytes);
      case "lz4":
        return lz4Decompress(bytes, maxBytes);
      case "zstd":
        checkZstdHeader(bytes, maxBytes);
        return nativeZstd === undefined
          ? portableZstd(bytes, maxBytes)
          : nativeZstd(bytes, { maxOutputLength: maxBytes });
      default:
        throw new Error(`unknown codec ${String(codec)}`);
    }
  },
};

/** zstd without native help; exported for its tests. Slower, and its sums are not verified. */
export function portableZstd(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const output = new GrowingOutput(maxBytes, bytes.length * 4);
  const stream = new Decompress((chunk) => output.append(chunk));
  stream.push(bytes, true);
  return output.finish();
}

/** A frame says which window or content it needs, and decoders allocate that on its word. */
function checkZstdHeader(bytes: Uint8Array, maxBytes: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) throw new Error("zstd: not a frame");
  const flags = bytes[4] as number;
  const isSingleSegment = (flags & 32) !== 0;
  if ((flags & 3) !== 0) throw new Error("zstd: needs a dictionary");
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >>> 6] as number;
  const at = isSingleSegment ? 5 : 6;
  if (at + sizeBytes > bytes.length) throw new Error("zstd: cut short");
  let contentBytes = sizeBytes === 2 ? 256 : 0;
  for (let i = 0; i < sizeBytes; i++) contentBytes += (bytes[at + i] as number) * 2 ** (8 * i);
  if (contentBytes > maxBytes) throw new Error(`decompressed data is larger than ${maxBytes} bytes`);
  if (isSingleSegment) return;
  const descriptor = bytes[5] as number;
  const base = 2 ** (10 + (descriptor >>> 3));
  const windowBytes = base + (base / 8) * (descriptor & 7);
  if (windowBytes > Math.max(zstdWindowBytes, maxBytes))
    throw new Error(`zstd: a window of ${windowBytes} bytes is too large`);
}
