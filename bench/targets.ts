// What Moldau means to reach, as data: the lines of its targets, each against a peer of the same run.
//
// Owns: the numbers. Nothing here may be lowered because a run fell short.
// Never: a result.

/** Of a benchmark's outcome, by its name. */
export interface Target {
  readonly benchmark: string;
  /** What must be reached. */
  readonly goal: Goal;
}

export type Goal =
  /** Times as good as this peer; "best peer" is the fastest of them. */
  | { readonly kind: "ratio"; readonly peer: string; readonly atLeast: number }
  /** The subject's own figure. */
  | { readonly kind: "at most"; readonly value: number; readonly unit: string; readonly only?: "node" }
  /** No point of the benchmark's curve of this name is worse than its first by more than this share. */
  | { readonly kind: "flat"; readonly within: number; readonly curve: string };

/** The one that is hardest to beat. */
export const bestPeer = "best peer";

export const targets: readonly Target[] = [
  ...ratio("crc32c 1 KiB, in place", "@node-rs/crc32", 2),
  ...ratio("crc32c 16 KiB, in place", "@node-rs/crc32", 2.3),
  ...ratio("crc32c 64 KiB, in place", "@node-rs/crc32", 3),
  ...ratio("crc32c 1 MiB, in place", "@node-rs/crc32", 3),
  ...ratio("encode 100 B, columns", "@platformatic/kafka", 50),
  ...ratio("encode 100 B, columns", "kafkajs", 130),
  ...ratio("encode 1 KiB, columns", "@platformatic/kafka", 17),
  ...ratio("encode 1 KiB, columns", "kafkajs", 65),
  ...ratio("validate 1 MiB, records of 100 B", "JavaScript with @node-rs/crc32", 2),
  ...ratio("validate 1 MiB, records of 1 KiB", "JavaScript with @node-rs/crc32", 2),
  ...ratio("search 1 M entries", "DataView", 4),
  ...ratio("append 64 KiB, records of 1 KiB, no sync", "writeSync", 0.8),
  ...ratio("append 64 KiB, group commit of 16", "writeSync and fdatasync", 0.9),
  ...ratio("append 64 KiB, group commit of 64", "writeSync and fdatasync", 0.9),
  ...ratio("produce 64 KiB batches, HTTP/1.1, acks=leader", bestPeer, 0.8),
  ...ratio("produce 64 KiB batches, h2c, acks=leader", bestPeer, 0.8),
  ...ratio("produce 64 KiB batches, HTTP/1.1, acks=leader, durability os", bestPeer, 0.8),
  ...ratio("produce 64 KiB batches, h2c, acks=leader, durability os", bestPeer, 0.8),
  ...ratio("append JSON of 256 B, HTTP/1.1, acks=all", "Hono, parses the body", 0.5),
  ...ratio("append JSON of 256 B, HTTP/1.1, acks=leader", "Hono, parses the body", 0.5),
  ...ratio("produce 1 MiB, Kafka, acks=1, durability os", "bare TCP sink to a file", 0.7),
  ...ratio("produce 1 MiB, Kafka, acks=1, durability sync", "bare TCP sink to a file", 0.7),
  ...ratio("fetch 1 MiB, Kafka", "bare TCP server of the file", 0.8),
  { benchmark: "start to ready", goal: { kind: "at most", value: 300, unit: "ms", only: "node" } },
  { benchmark: "idle memory", goal: { kind: "at most", value: 90, unit: "MiB" } },
  { benchmark: "judge a million operations", goal: { kind: "at most", value: 10, unit: "s" } },
  { benchmark: "growth", goal: { kind: "flat", within: 0.1, curve: "append" } },
  { benchmark: "growth", goal: { kind: "flat", within: 0.1, curve: "look-up" } },
  { benchmark: "growth", goal: { kind: "flat", within: 0.1, curve: "fetch" } },
  { benchmark: "many partitions, acks=leader, durability sync", goal: { kind: "flat", within: 0.1, curve: "moldau" } },
  { benchmark: "many partitions, acks=leader, durability os", goal: { kind: "flat", within: 0.1, curve: "moldau" } },
];

function ratio(benchmark: string, peer: string, atLeast: number): Target[] {
  return [{ benchmark, goal: { kind: "ratio", peer, atLeast } }];
}
