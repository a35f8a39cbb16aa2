// How many partitions a request about committed offsets may name.
//
// Owns: that bound. Never: an answer.

import { limits, MoldauError } from "../../../engine/index.ts";

/** INVALID_REQUEST for more partitions than a group can have offsets of. */
export function checkPartitions(topics: readonly { readonly partitions: readonly unknown[] }[]): void {
  const count = topics.reduce((sum, { partitions }) => sum + partitions.length, topics.length);
  const most = limits.maxOffsetsPerGroup;
  if (count <= most) return;
  throw new MoldauError("INVALID_REQUEST", `${count} topics and partitions in one request: the most is ${most}`);
}
