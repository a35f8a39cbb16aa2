// From the records of one partition of __consumer_offsets to the groups that they say.
//
// Owns: that later records win, and tombstones remove. What cannot be read is passed over and counted.
// Never: reads the log (shard.ts), or begins a session.

import { MoldauError } from "../errors.ts";
import { type ClassicGroupValue, decodeClassicGroup } from "./classic-value.ts";
import type { ConsumerGroupImage } from "./consumer-group.ts";
import { decodeConsumerMember, decodeCurrent, decodeEpoch, decodeTarget, decodeTopics } from "./consumer-values.ts";
import { type CommittedOffset, decodeOffset } from "./offset-value.ts";
import { decodeKey, type RecordKey } from "./record-keys.ts";
import type { StoredGroupRecord } from "./types.ts";

export interface GroupImage {
  readonly offsets: Map<string, Map<number, CommittedOffset>>;
  classic: ClassicGroupValue | null;
  consumer: ConsumerGroupImage | null;
  /** When its last record other than an offset was written. */
  changedAt: number;
}

export class Replay {
  readonly groups: Map<string, GroupImage> = new Map();
  records = 0;
  /** Records that could not be read, and the first reason. */
  unreadable = 0;
  firstProblem = "";

  apply({ key: keyBytes, value, timestamp }: StoredGroupRecord): void {
    this.records += 1;
    try {
      const key = keyBytes === null ? null : decodeKey(keyBytes);
      if (key === null) return;
      const group = this.#group(key.group);
      if (key.kind === "offset") applyOffset(group, key, value);
      else {
        applyGroup(group, key, value);
        group.changedAt = timestamp;
      }
      this.#forgetUnused(key.group, group);
    } catch (error) {
      // Others may write here too, as Kafka's own tools: one bad record must not cost all the groups.
      if (!(error instanceof MoldauError)) throw error;
      this.unreadable += 1;
      if (this.unreadable === 1) this.firstProblem = error.message;
    }
  }

  #group(id: string): GroupImage {
    let group = this.groups.get(id);
    if (group === undefined) {
      group = { offsets: new Map(), classic: null, consumer: null, changedAt: -1 };
      this.groups.set(id, group);
    }
    return group;
  }

  #forgetUnused(id: string, group: GroupImage): void {
    const { consumer } = group;
    if (consumer !== null && isUnused(consumer)) group.consumer = null;
    if (group.offsets.size === 0 && group.classic === null && group.consumer === null) this.groups.delete(id);
  }
}

function isUnused({ epoch, assignmentEpoch, topics, members, targets, current }: ConsumerGroupImage): boolean {
  const size = members.size + targets.size + current.size;
  return epoch === 0 && assignmentEpoch === 0 && topics.length === 0 && size === 0;
}

function applyOffset(
  { offsets }: GroupImage,
  { topic, partition }: RecordKey & { readonly kind: "offset" },
  value: Uint8Array | null,
): void {
  let partitions = offsets.get(topic);
  if (value === null) {
    partitions?.delete(partition);
    if (partitions?.size === 0) offsets.delete(topic);
    return;
  }
  const offset = decodeOffset(value);
  if (partitions === undefined) offsets.set(topic, (partitions = new Map()));
  partitions.set(partition, offset);
}

function applyGroup(
  group: GroupImage,
  key: Exclude<RecordKey, { readonly kind: "offset" }>,
  value: Uint8Array | null,
): void {
  if (key.kind === "classicGroup") {
    group.classic = value === null ? null : decodeClassicGroup(value);
    return;
  }
  group.consumer ??= {
    ...{ epoch: 0, assignmentEpoch: 0, topics: [] },
    ...{ members: new Map(), targets: new Map(), current: new Map() },
  };
  const { consumer } = group;
  switch (key.kind) {
    case "consumerGroup":
      consumer.epoch = value === null ? 0 : decodeEpoch(value);
      return;
    case "targetEpoch":
      consumer.assignmentEpoch = value === null ? 0 : decodeEpoch(value);
      return;
    case "consumerTopics":
      consumer.topics = value === null ? [] : decodeTopics(value);
      return;
    case "consumerMember":
      put(consumer.members, key.member, value, decodeConsumerMember);
      return;
    case "targetMember":
      put(consumer.targets, key.member, value, decodeTarget);
      return;
    case "currentMember":
      put(consumer.current, key.member, value, decodeCurrent);
  }
}

function put<Value>(
  map: Map<string, Value>,
  member: string,
  value: Uint8Array | null,
  decode: (bytes: Uint8Array) => Value,
): void {
  if (value === null) map.delete(member);
  else map.set(member, decode(value));
}
