// Sets of partitions by topic id.
//
// Owns: the algebra that assignments need. Never: says who owns them.
//
// Invariant: no topic is in a set without a partition.

import type { TopicPartitions } from "./types.ts";

export class PartitionSet {
  readonly topics: Map<string, Set<number>> = new Map();

  static from(topics: Iterable<TopicPartitions>): PartitionSet {
    const set = new PartitionSet();
    for (const { topicId, partitions } of topics) for (const partition of partitions) set.add(topicId, partition);
    return set;
  }

  get size(): number {
    let size = 0;
    for (const partitions of this.topics.values()) size += partitions.size;
    return size;
  }

  get isEmpty(): boolean {
    return this.topics.size === 0;
  }

  has(topicId: string, partition: number): boolean {
    return this.topics.get(topicId)?.has(partition) ?? false;
  }

  add(topicId: string, partition: number): void {
    const partitions = this.topics.get(topicId);
    if (partitions === undefined) this.topics.set(topicId, new Set([partition]));
    else partitions.add(partition);
  }

  delete(topicId: string, partition: number): void {
    const partitions = this.topics.get(topicId);
    if (partitions?.delete(partition) && partitions.size === 0) this.topics.delete(topicId);
  }

  *[Symbol.iterator](): Generator<readonly [string, number], void, void> {
    for (const [topicId, partitions] of this.topics) for (const partition of partitions) yield [topicId, partition];
  }

  filter(keep: (topicId: string, partition: number) => boolean): PartitionSet {
    const kept = new PartitionSet();
    for (const [topicId, partition] of this) if (keep(topicId, partition)) kept.add(topicId, partition);
    return kept;
  }

  isSubsetOf(other: PartitionSet): boolean {
    for (const [topicId, partition] of this) if (!other.has(topicId, partition)) return false;
    return true;
  }

  overlaps(other: PartitionSet): boolean {
    for (const [topicId, partition] of this) if (other.has(topicId, partition)) return true;
    return false;
  }

  equals(other: PartitionSet): boolean {
    return this.size === other.size && this.isSubsetOf(other);
  }

  /** In order, so that equal sets look the same. */
  toTopics(): TopicPartitions[] {
    return [...this.topics]
      .map(([topicId, partitions]) => ({ topicId, partitions: [...partitions].sort((a, b) => a - b) }))
      .sort((one, other) => (one.topicId < other.topicId ? -1 : 1));
  }
}
