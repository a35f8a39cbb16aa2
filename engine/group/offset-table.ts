// The committed offsets of one group.
//
// Owns: what is durable, by topic and partition, and for which partitions a commit is on its way.
// Never: answers with what is not durable yet.
//
// Invariant: `set` is called in the order of the log, so that what is here is what a restart finds.

import type { CommittedOffset } from "./offset-value.ts";

/** How many there are in all groups. */
export interface OffsetCount {
  total: number;
}

export class OffsetTable {
  readonly #topics: Map<string, Map<number, CommittedOffset>> = new Map();
  /** How many commits are under way. */
  readonly #pending: Map<string, Map<number, number>> = new Map();
  readonly #count: OffsetCount;
  #size = 0;
  #pendingSize = 0;

  constructor(count: OffsetCount) {
    this.#count = count;
  }

  get size(): number {
    return this.#size;
  }

  /** Neither an offset nor a commit under way. */
  get isUnused(): boolean {
    return this.#size === 0 && this.#pendingSize === 0;
  }

  /** With those that are on their way. */
  get sizeToCome(): number {
    return this.#size + this.#pendingSize;
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set(topic: string, partition: number, offset: CommittedOffset): void {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) this.#topics.set(topic, (partitions = new Map()));
    if (!partitions.has(partition)) {
      this.#size += 1;
      this.#count.total += 1;
    }
    partitions.set(partition, offset);
  }

  delete(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    if (partitions?.delete(partition) !== true) return;
    if (partitions.size === 0) this.#topics.delete(topic);
    this.#size -= 1;
    this.#count.total -= 1;
  }

  clear(): void {
    this.#count.total -= this.#size;
    this.#size = 0;
    this.#topics.clear();
  }

  beginCommit(topic: string, partition: number): void {
    let partitions = this.#pending.get(topic);
    if (partitions === undefined) this.#pending.set(topic, (partitions = new Map()));
    partitions.set(partition, (partitions.get(partition) ?? 0) + 1);
    this.#pendingSize += 1;
  }

  endCommit(topic: string, partition: number): void {
    const partitions = this.#pending.get(topic)!;
    const left = partitions.get(partition)! - 1;
    if (left > 0) partitions.set(partition, left);
    else partitions.delete(partition);
    if (partitions.size === 0) this.#pending.delete(topic);
    this.#pendingSize -= 1;
  }

  isPending(topic: string, partition: number): boolean {
    return this.#pending.get(topic)?.has(partition) ?? false;
  }

  *topics(): Generator<readonly [string, ReadonlyMap<number, CommittedOffset>], void, void> {
    yield* this.#topics;
  }

  /** Everything that may be in the log: a tombstone for these removes it all. */
  keys(topic?: string): [string, number][] {
    const keys: [string, number][] = [];
    for (const table of [this.#topics, this.#pending]) {
      for (const [name, partitions] of table as ReadonlyMap<string, ReadonlyMap<number, unknown>>) {
        if (topic !== undefined && name !== topic) continue;
        for (const partition of partitions.keys()) {
          if (table === this.#topics || this.get(name, partition) === undefined) keys.push([name, partition]);
        }
      }
    }
    return keys;
  }
}
