// What the peers are known to reach: a win over a peer that limps is no win.
//
// Owns: the peers' figures, measured when Moldau was designed: Node 20.20.2, 2 cores of an AMD EPYC
//   (Zen 4), Linux, ext4, medians, noise ±15%. Of a range, the slower end.
// Never: a figure of Moldau's.

export interface Baseline {
  readonly benchmark: string;
  readonly peer: string;
  readonly value: number;
  readonly unit: string;
}

/** Below this share of its known figure a peer limps: more than noise, and more than one machine's age. */
export const weakBelow = 0.6;

const gigabytes = "GB/s";
const perRecord = "ns/record";

export const baselines: readonly Baseline[] = [
  { benchmark: "crc32c 1 KiB", peer: "@node-rs/crc32", value: 3.3, unit: gigabytes },
  { benchmark: "crc32c 16 KiB", peer: "@node-rs/crc32", value: 5.8, unit: gigabytes },
  { benchmark: "crc32c 64 KiB", peer: "@node-rs/crc32", value: 6, unit: gigabytes },
  { benchmark: "crc32c 1 MiB", peer: "@node-rs/crc32", value: 6.2, unit: gigabytes },
  { benchmark: "encode 100 B", peer: "@platformatic/kafka", value: 1530, unit: perRecord },
  { benchmark: "encode 100 B", peer: "kafkajs", value: 3860, unit: perRecord },
  { benchmark: "encode 1 KiB", peer: "@platformatic/kafka", value: 2960, unit: perRecord },
  { benchmark: "encode 1 KiB", peer: "kafkajs", value: 8270, unit: perRecord },
  { benchmark: "validate 1 MiB, records of 100 B", peer: "JavaScript with @node-rs/crc32", value: 26, unit: perRecord },
  {
    benchmark: "validate 1 MiB, records of 1 KiB",
    peer: "JavaScript with @node-rs/crc32",
    value: 195,
    unit: perRecord,
  },
  { benchmark: "search 1 M entries", peer: "DataView", value: 320, unit: "ns/look-up" },
  { benchmark: "append 64 KiB, records of", peer: "writeSync", value: 3.7, unit: gigabytes },
  { benchmark: "append 64 KiB, group commit of 16", peer: "writeSync and fdatasync", value: 1.05, unit: gigabytes },
  { benchmark: "append 64 KiB, group commit of 64", peer: "writeSync and fdatasync", value: 1.5, unit: gigabytes },
  { benchmark: "produce 64 KiB batches, HTTP/1.1", peer: "bare drain", value: 861, unit: "MB/s" },
  { benchmark: "produce 64 KiB batches, h2c", peer: "bare drain", value: 809, unit: "MB/s" },
  { benchmark: "fetch 1 MiB, Kafka", peer: "bare TCP server of the file", value: 2300, unit: "MB/s" },
];

/** The figure for a benchmark whose name begins so. */
export function baselineOf(benchmark: string, peer: string): Baseline | undefined {
  return baselines.find((known) => known.peer === peer && benchmark.startsWith(known.benchmark));
}
