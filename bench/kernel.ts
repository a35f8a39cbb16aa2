// The kernel against its twin and against other people's code: what one core does with bytes.
//
// Owns: the work and the data it is done on. Never: timing (measure.ts).

import { createRequire } from "node:module";
import { join } from "node:path";
import type { Kernel, RecordToEncode } from "../engine/kernel/kernel.ts";
import type { Work } from "./measure.ts";

const batchRecords = 100;
const valueBytes = 100;

export interface KernelWork {
  readonly works: readonly Work[];
  /** Peers that are not installed. */
  readonly missing: readonly string[];
}

/** `root` is the repository's folder: the peers are installed in its bench/. */
export function kernelWork(kernels: readonly Kernel[], root: string): KernelWork {
  const megabyte = bytesOf(1 << 20);
  const records = recordsOf(batchRecords);
  const options = { baseOffset: 0, leaderEpoch: 0, maxBatchBytes: 1 << 24, appendTimeMs: -1 };
  const works = kernels.flatMap((kernel): Work[] => {
    const batch = kernel.encodeBatch(records).slice();
    const run = repeat(batch, 64);
    return [
      { name: `crc32c 1 MiB, ${kernel.name}`, bytes: megabyte.length, run: () => kernel.crc32c(megabyte) },
      {
        name: `encode ${batchRecords} records, ${kernel.name}`,
        bytes: batch.length,
        records: batchRecords,
        run: () => kernel.encodeBatch(records),
      },
      {
        name: `validate and stamp 64 batches, ${kernel.name}`,
        bytes: run.length,
        records: 64 * batchRecords,
        run: () => {
          const prepared = kernel.prepareRun(run, options);
          if (!prepared.ok) throw new Error(`refused: ${prepared.fault}`);
          return prepared;
        },
      },
      { name: `murmur2 of a 16-byte key, ${kernel.name}`, run: () => kernel.murmur2(megabyte.subarray(0, 16)) },
    ];
  });
  const peer = loadCrcPeer(root);
  if (peer === null) return { works, missing: ["@node-rs/crc32"] };
  return {
    works: [
      ...works,
      { name: "crc32c 1 MiB, @node-rs/crc32 (native)", bytes: megabyte.length, run: () => peer(megabyte) },
    ],
    missing: [],
  };
}

/** The same bytes every time, neither all zero nor compressible. */
export function bytesOf(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let state = 0x9e3779b9;
  for (let at = 0; at < sizeBytes; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export function recordsOf(count: number): RecordToEncode[] {
  const value = bytesOf(valueBytes);
  return Array.from({ length: count }, (_, index) => ({
    key: new TextEncoder().encode(`key-${index}`),
    value,
    headers: [],
    timestamp: 1_767_000_000_000 + index,
  }));
}

export function repeat(bytes: Uint8Array, times: number): Uint8Array {
  const all = new Uint8Array(bytes.length * times);
  for (let at = 0; at < times; at++) all.set(bytes, at * bytes.length);
  return all;
}

function loadCrcPeer(root: string): ((bytes: Uint8Array) => number) | null {
  try {
    const load = createRequire(join(root, "bench/package.json"));
    return (load("@node-rs/crc32") as { crc32c: (bytes: Uint8Array) => number }).crc32c;
  } catch (error) {
    if ((error as { code?: unknown }).code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}
