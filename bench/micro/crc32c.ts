// CRC-32C against the fastest native one for Node.
//
// Owns: the sizes and where the bytes lie. Native code reads them where they lie; ours reads its own
//   memory, so that both are shown: bytes that are there already (a produce request's are, once
//   they are copied to be stamped and written), and bytes that are copied in first.

import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { type Contender, comparison } from "../harness/comparison.ts";
import { bytesOf } from "../harness/data.ts";
import { Peers } from "../harness/peers.ts";

const sizes = [
  ["1 KiB", 1 << 10],
  ["16 KiB", 1 << 14],
  ["64 KiB", 1 << 16],
  ["1 MiB", 1 << 20],
] as const;

export const crc32cBenchmarks: readonly Benchmark[] = sizes.flatMap(([size, sizeBytes]) => [
  crc32cBenchmark(size, sizeBytes, "in place"),
  crc32cBenchmark(size, sizeBytes, "with copy"),
]);

function crc32cBenchmark(size: string, sizeBytes: number, where: "in place" | "with copy"): Benchmark {
  return comparison(
    {
      group: "crc32c",
      name: `crc32c ${size}, ${where}`,
      timed:
        where === "in place"
          ? `one CRC-32C of ${size} that lie 64-byte-aligned in the kernel's memory; the peer's of the same bytes in a Buffer`
          : `one CRC-32C of ${size} with the copy into the kernel's memory; the peer's of the same bytes in a Buffer`,
    },
    async ({ root }) => {
      const kernel = await loadWasmKernel();
      const peers = new Peers(root);
      const native = peers.crc32();
      const bytes = Buffer.from(bytesOf(sizeBytes));
      const ours = where === "in place" ? insideKernel(kernel.encodeBatch, bytes) : bytes;
      return {
        quantity: { bytes: sizeBytes },
        subject: { name: "moldau", work: () => kernel.crc32c(ours) },
        peers:
          native === null ? [] : [{ name: "@node-rs/crc32", work: () => native.crc32c(bytes) } satisfies Contender],
        missing: peers.missing,
      };
    },
  );
}

/** A batch just encoded lies in the kernel's memory, and a checksum leaves it alone: bytes go into its value. */
function insideKernel(
  encodeBatch: Awaited<ReturnType<typeof loadWasmKernel>>["encodeBatch"],
  bytes: Uint8Array,
): Uint8Array {
  const alignment = 64;
  const room = encodeBatch([{ key: null, value: new Uint8Array(bytes.length + alignment), headers: [], timestamp: 0 }]);
  const from = (alignment - (room.byteOffset % alignment)) % alignment;
  const inside = room.subarray(from, from + bytes.length);
  inside.set(bytes);
  return inside;
}
