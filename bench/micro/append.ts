// The log against the disk it stands on: what Moldau adds to writing the same bytes to a file.
//
// Owns: both folders, and that they are treated alike: files of segmentBytes, of which the oldest is
//   removed when more than keptBytes lie there.

import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Durability } from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Bench, Benchmark } from "../harness/benchmark.ts";
import { type Comparison, comparison } from "../harness/comparison.ts";
import { batchOfSize } from "../harness/data.ts";
import { openLogFolder } from "../harness/log-folder.ts";

const batchBytes = 64 * 1024;
const segmentBytes = 64 << 20;
const keptBytes = 128 << 20;
/** Often, since the raw side removes its oldest file the moment that there is one too many. */
const retentionCheckMs = 15;

const sizes = [
  ["1 KiB", 1024],
  ["100 B", 100],
] as const;

export const appendBenchmarks: readonly Benchmark[] = [
  ...sizes.map(([size, valueBytes]) =>
    comparison(
      {
        group: "append",
        name: `append 64 KiB, records of ${size}, no sync`,
        timed: `broker.appendBatches of one batch of 64 KiB (records of ${size}): checked, stamped, written; raw: one writeSync of the same bytes`,
        guarantees: "durability os: acknowledged (acks=all) when the bytes are with the operating system",
      },
      (bench) => prepareAppend(bench, "os", 1, valueBytes),
    ),
  ),
  ...[16, 64].map((batches) =>
    comparison(
      {
        group: "append",
        name: `append 64 KiB, group commit of ${batches}`,
        timed: `${batches} broker.appendBatches of 64 KiB (records of 1 KiB) at once until all are acknowledged; raw: ${batches} writeSync of the same bytes, then fdatasync`,
        guarantees: "durability sync, acks=all: acknowledged when the bytes are on disk; one sync serves all that wait",
      },
      (bench) => prepareAppend(bench, "sync", batches, 1024),
    ),
  ),
];

async function prepareAppend(
  bench: Bench,
  durability: Durability,
  batches: number,
  valueBytes: number,
): Promise<Comparison> {
  const kernel = await loadWasmKernel();
  const folder = join(bench.folder, "log");
  const broker = await openLogFolder(folder, { kernel, durability, retentionCheckIntervalMs: retentionCheckMs });
  await broker.createTopic("bench", { configs: { "retention.bytes": keptBytes, "segment.bytes": segmentBytes } });
  const batch = batchOfSize(kernel.encodeBatch, batchBytes, valueBytes);
  const append = (): Promise<unknown> => broker.appendBatches("bench", 0, batch);
  await append();
  // What the log made of the first batch is what the raw file is given, so both hold the same bytes.
  const firstSegment = join(folder, "bench-0", `${"0".repeat(20)}.log`);
  const stored = readFileSync(firstSegment).subarray(0, batchBytes);
  const raw = openRaw(join(bench.folder, "raw"));
  raw.write(stored);
  return {
    quantity: { bytes: batches * batchBytes },
    subject: {
      name: "moldau",
      work: batches === 1 ? append : () => Promise.all(Array.from({ length: batches }, append)),
      output: () => stored,
    },
    peers: [
      {
        name: durability === "os" ? "writeSync" : "writeSync and fdatasync",
        work() {
          for (let written = 0; written < batches; written++) raw.write(stored);
          if (durability === "sync") raw.sync();
        },
        output: () => raw.firstBytes(batchBytes),
      },
    ],
    async close() {
      raw.close();
      await broker.close();
    },
  };
}

interface RawFiles {
  write(bytes: Uint8Array): void;
  sync(): void;
  /** Of the first file of all; to be asked before it is removed. */
  firstBytes(sizeBytes: number): Uint8Array;
  close(): void;
}

function openRaw(folder: string): RawFiles {
  mkdirSync(folder, { recursive: true });
  const path = (file: number): string => join(folder, `${file}.log`);
  let file = 0;
  let descriptor = openSync(path(file), "a");
  let sizeBytes = 0;
  return {
    write(bytes) {
      if (sizeBytes + bytes.length > segmentBytes) {
        closeSync(descriptor);
        descriptor = openSync(path(++file), "a");
        sizeBytes = 0;
        const oldest = file - keptBytes / segmentBytes;
        if (oldest >= 0) unlinkSync(path(oldest));
      }
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at);
      sizeBytes += bytes.length;
    },
    sync: () => fdatasyncSync(descriptor),
    firstBytes: (wanted) => readFileSync(path(0)).subarray(0, wanted),
    close: () => closeSync(descriptor),
  };
}
