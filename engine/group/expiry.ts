// Which committed offsets are too old to keep (KIP-211).
//
// Owns: from when on an offset's retention counts:
//   a group with members   never for a topic it consumes; else from the commit on
//   an empty group         from when it became empty, or the commit, whatever was later
//   a group of offsets only, without members ever      from the commit on
// Never: deletes, or reads the clock.
//
// A restart changes none of this: what an active group has committed long ago, and not again since,
// is kept (KAFKA-8069).

import type { Group } from "./group.ts";
import type { CommittedOffset } from "./offset-value.ts";

export function expiredOffsets(group: Group, now: number, retentionMs: number): [string, number][] {
  const expired: [string, number][] = [];
  const since = retentionOf(group);
  if (since === null) return expired;
  for (const [topic, partitions] of group.offsets.topics()) {
    if (since.keeps(topic)) continue;
    for (const [partition, offset] of partitions) {
      if (group.offsets.isPending(topic, partition)) continue;
      if (now >= expiryOf(offset, since.emptyFrom, retentionMs)) expired.push([topic, partition]);
    }
  }
  return expired;
}

function expiryOf(offset: CommittedOffset, emptyFrom: number, retentionMs: number): number {
  if (offset.expireTimestamp >= 0) return offset.expireTimestamp;
  return Math.max(emptyFrom, offset.commitTimestamp) + retentionMs;
}

interface Retention {
  readonly keeps: (topic: string) => boolean;
  /** -1: only the commits count. */
  readonly emptyFrom: number;
}

/** null: nothing expires now. */
function retentionOf({ machine }: Group): Retention | null {
  if (machine === null) return { keeps: () => false, emptyFrom: -1 };
  if (machine.type === "consumer") {
    if (machine.isEmpty) return { keeps: () => false, emptyFrom: machine.emptiedAt };
    return { keeps: (topic) => machine.isSubscribedTo(topic), emptyFrom: -1 };
  }
  if (machine.isEmpty) {
    return { keeps: () => false, emptyFrom: machine.protocolType === null ? -1 : machine.stateTimestamp };
  }
  const topics = machine.state === "Stable" ? machine.subscribedTopics() : null;
  return topics === null ? null : { keeps: (topic) => topics.has(topic), emptyFrom: -1 };
}
