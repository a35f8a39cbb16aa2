// Finding a key in an index, against a binary search of the bytes as they lie.
//
// Owns: the table and the keys looked for, which are spread over all of it and come in no order.

import { createTwinKernel } from "../../engine/kernel/twin.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { comparison } from "../harness/comparison.ts";

/** So many that no branch predictor learns them by heart. */
const lookUps = 1 << 16;
const tables = [
  ["1 M entries", 1_000_000],
  ["1000 entries", 1000],
] as const;

export const searchBenchmarks: readonly Benchmark[] = tables.map(([size, count]) =>
  comparison(
    {
      group: "search",
      name: `search ${size}`,
      timed: `kernel.searchIndex of ${lookUps} random offsets in an .index of ${size}, one call each; the peer searches the big-endian entries with a DataView`,
    },
    async () => {
      const kernel = await loadWasmKernel();
      const twin = createTwinKernel();
      const { bytes, greatest } = indexOf(count);
      const table = { entrySizeBytes: 8 as const, bytes, count, version: 1 };
      const view = new DataView(bytes.buffer);
      const targets = Int32Array.from({ length: lookUps }, (_, index) => spread(index) % (greatest + 64));
      const sumOf = (find: (target: number) => number) => (): number => {
        let sum = 0;
        for (let index = 0; index < lookUps; index++) sum += find(targets[index] as number);
        return sum;
      };
      return {
        quantity: { lookUps },
        subject: { name: "moldau", work: sumOf((target) => kernel.searchIndex(table, target)) },
        peers: [
          { name: "DataView", work: sumOf((target) => binarySearch(view, count, target)) },
          { name: "the twin in TypeScript", work: sumOf((target) => twin.searchIndex(table, target)) },
        ],
      };
    },
  ),
);

/** Entries as a segment of small batches would have them: offsets some 30 apart, positions some 4 KiB. */
function indexOf(count: number): { readonly bytes: Uint8Array; readonly greatest: number } {
  const bytes = new Uint8Array(count * 8);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (let entry = 0; entry < count; entry++) {
    offset += 1 + (spread(entry) % 60);
    view.setInt32(entry * 8, offset);
    view.setInt32(entry * 8 + 4, (entry * 4096) % 0x7fffffff);
  }
  return { bytes, greatest: offset };
}

/** The greatest entry at or below, -1 when none. */
function binarySearch(view: DataView, count: number, target: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (view.getInt32(middle * 8) <= target) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A number from 0 to 2^31 - 1 that looks like chance; the same every time. */
function spread(index: number): number {
  let mixed = Math.imul(index + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca77);
  return (mixed ^ (mixed >>> 13)) & 0x7fffffff;
}
