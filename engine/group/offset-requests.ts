// OffsetCommit, OffsetFetch and OffsetDelete on a group whose shard is there.
//
// Owns: what may be committed, and when it counts: a commit is answered, and shown to OffsetFetch,
//   when it is durable, and not before (redpanda#9571).
// Never: says who may commit (the group's machine does), or when an offset expires (expiry.ts).

import type { MoldauError } from "../errors.ts";
import { maxCommittedOffsets, maxOffsetsPerGroup, maxSafeOffset, offsetBatchBytes } from "../limits.ts";
import { refusal, unknownMember } from "./environment.ts";
import type { Group } from "./group.ts";
import type { OffsetCount } from "./offset-table.ts";
import { type CommittedOffset, encodeOffset } from "./offset-value.ts";
import { encodeKey } from "./record-keys.ts";
import type { Shard } from "./shard.ts";
import type {
  FetchedOffset,
  GroupRecord,
  GroupsContext,
  OffsetCommitPartition,
  OffsetCommitRequest,
  OffsetDeleteRequest,
  OffsetFetchRequest,
  OffsetFetchResult,
  PartitionOutcome,
  TopicOutcomes,
} from "./types.ts";

/** Throws unless the sender may commit in this group. */
export function checkCommitter(group: Group, request: OffsetCommitRequest): void {
  const { generationIdOrMemberEpoch: epoch = -1, memberId = "", groupInstanceId = null } = request;
  const { machine } = group;
  if (machine === null) {
    if (epoch >= 0 || memberId !== "" || groupInstanceId !== null) throw unknownMember(group.id, memberId);
  } else if (machine.type === "classic") machine.checkCommit(epoch, memberId, groupInstanceId);
  else machine.checkCommit(epoch, memberId);
}

interface Commit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: CommittedOffset;
  readonly record: GroupRecord;
  readonly sizeBytes: number;
}

/** Resolves when all of it is durable or has failed. */
export async function commitOffsets(
  shard: Shard,
  group: Group,
  request: OffsetCommitRequest,
  context: GroupsContext,
  count: OffsetCount,
): Promise<TopicOutcomes[]> {
  const now = Math.max(0, context.clock.now());
  const { retentionTimeMs = -1 } = request;
  const expireTimestamp = retentionTimeMs < 0 ? -1 : Math.min(now + retentionTimeMs, maxSafeOffset);
  const failures = new Map<OffsetCommitPartition, MoldauError>();
  const commits: (Commit & { readonly asked: OffsetCommitPartition })[] = [];
  let added = 0;
  for (const { name, partitions } of request.topics) {
    for (const asked of partitions) {
      const failure = commitFault(group, name, asked, added, context, count);
      if (failure !== null) {
        failures.set(asked, failure);
        continue;
      }
      if (group.offsets.get(name, asked.partitionIndex) === undefined) added += 1;
      commits.push({ asked, ...commitOf(group.id, name, asked, now, expireTimestamp) });
    }
  }
  const sending: Promise<void>[] = [];
  for (let start = 0; start < commits.length; ) {
    let end = start;
    for (let sizeBytes = 0; end < commits.length && sizeBytes < offsetBatchBytes; end += 1) {
      sizeBytes += commits[end]!.sizeBytes;
    }
    const chunk = commits.slice(start, end);
    sending.push(
      send(shard, group, chunk).then((failure) => {
        if (failure !== null) for (const { asked } of chunk) failures.set(asked, failure);
      }),
    );
    start = end;
  }
  await Promise.all(sending);
  return request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map((asked) => outcome(asked.partitionIndex, failures.get(asked))),
  }));
}

function commitFault(
  group: Group,
  topic: string,
  { partitionIndex, committedOffset, committedMetadata, committedLeaderEpoch = -1 }: OffsetCommitPartition,
  added: number,
  { topics, options }: GroupsContext,
  count: OffsetCount,
): MoldauError | null {
  if (!(partitionIndex >= 0 && partitionIndex < (topics.find(topic)?.partitions ?? 0))) {
    return refusal("UNKNOWN_TOPIC_OR_PARTITION", `there is no partition ${partitionIndex} of topic '${topic}'`);
  }
  if (!Number.isSafeInteger(committedOffset) || committedOffset < 0 || !Number.isInteger(committedLeaderEpoch)) {
    return refusal(
      "INVALID_REQUEST",
      `${committedOffset} (leader epoch ${committedLeaderEpoch}) is no offset to commit`,
    );
  }
  if ((committedMetadata?.length ?? 0) > options.offsetMetadataMaxBytes) {
    const { offsetMetadataMaxBytes } = options;
    return refusal("OFFSET_METADATA_TOO_LARGE", `metadata beside an offset is at most ${offsetMetadataMaxBytes} long`);
  }
  const { offsets } = group;
  const isNew = offsets.get(topic, partitionIndex) === undefined;
  if (isNew && offsets.sizeToCome + added >= maxOffsetsPerGroup) {
    return refusal("INVALID_COMMIT_OFFSET_SIZE", `a group keeps at most ${maxOffsetsPerGroup} offsets`);
  }
  if (isNew && count.total + added >= maxCommittedOffsets) {
    return refusal("INVALID_COMMIT_OFFSET_SIZE", `at most ${maxCommittedOffsets} offsets of all groups are kept`);
  }
  return null;
}

function commitOf(
  groupId: string,
  topic: string,
  { partitionIndex, committedOffset, committedLeaderEpoch = -1, committedMetadata }: OffsetCommitPartition,
  commitTimestamp: number,
  expireTimestamp: number,
): Commit {
  const offset = {
    ...{ offset: committedOffset, leaderEpoch: committedLeaderEpoch, metadata: committedMetadata ?? "" },
    ...{ commitTimestamp, expireTimestamp },
  };
  const key = encodeKey({ kind: "offset", group: groupId, topic, partition: partitionIndex });
  const value = encodeOffset(offset);
  return {
    topic,
    partition: partitionIndex,
    offset,
    record: { key, value },
    sizeBytes: key.length + value.length + 16,
  };
}

function send(shard: Shard, group: Group, commits: readonly Commit[]): Promise<MoldauError | null> {
  for (const { topic, partition } of commits) group.offsets.beginCommit(topic, partition);
  return new Promise((resolve) => {
    shard.append(
      commits.map(({ record }) => record),
      (failure) => {
        for (const { topic, partition, offset } of commits) {
          group.offsets.endCommit(topic, partition);
          // A group that was put down meanwhile is read from the log, with these.
          if (failure === null && shard.find(group.id) === group) group.offsets.set(topic, partition, offset);
        }
        if (failure !== null) shard.forgetIfUnused(group);
        resolve(failure);
      },
    );
  });
}

function outcome(partitionIndex: number, error: MoldauError | undefined): PartitionOutcome {
  return error === undefined ? { partitionIndex } : { partitionIndex, error };
}

/** What is durable now. */
export function fetchOffsets(group: Group | undefined, request: OffsetFetchRequest): OffsetFetchResult {
  const { groupId, topics = null } = request;
  const fetched = (topic: string, partitionIndex: number): FetchedOffset => {
    const found = group?.offsets.get(topic, partitionIndex);
    return {
      partitionIndex,
      committedOffset: found?.offset ?? -1,
      committedLeaderEpoch: found?.leaderEpoch ?? -1,
      metadata: found?.metadata ?? "",
    };
  };
  if (topics === null) {
    const all = group === undefined ? [] : [...group.offsets.topics()];
    const everything = all.map(([name, partitions]) => ({
      name,
      partitions: [...partitions.keys()].map((partition) => fetched(name, partition)),
    }));
    return { groupId, topics: everything };
  }
  const asked = topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partition) => fetched(name, partition)),
  }));
  return { groupId, topics: asked };
}

/** Resolves when they are gone durably. Throws NON_EMPTY_GROUP for members whose topics are not known. */
export async function deleteOffsets(
  shard: Shard,
  group: Group,
  request: OffsetDeleteRequest,
  context: GroupsContext,
): Promise<TopicOutcomes[]> {
  const isSubscribedTo = subscriptionOf(group);
  const keys: [string, number][] = [];
  const outcomes = request.topics.map(({ name, partitions }) => {
    const topic = context.topics.find(name);
    const faultOf = (partition: number): MoldauError | undefined => {
      if (!(partition >= 0 && partition < (topic?.partitions ?? 0))) {
        return refusal("UNKNOWN_TOPIC_OR_PARTITION", `there is no partition ${partition} of topic '${name}'`);
      }
      if (!isSubscribedTo(name)) return undefined;
      return refusal("GROUP_SUBSCRIBED_TO_TOPIC", `group '${group.id}' consumes topic '${name}'`);
    };
    const results = partitions.map((partition) => {
      const fault = faultOf(partition);
      const { offsets } = group;
      const isThere = offsets.get(name, partition) !== undefined || offsets.isPending(name, partition);
      if (fault === undefined && isThere) keys.push([name, partition]);
      return outcome(partition, fault);
    });
    return { name, partitions: results };
  });
  await shard.deleteOffsets(group, keys);
  return outcomes;
}

function subscriptionOf({ id, machine }: Group): (topic: string) => boolean {
  if (machine === null || machine.isEmpty) return () => false;
  if (machine.type === "consumer") return (topic) => machine.isSubscribedTo(topic);
  const topics = machine.subscribedTopics();
  if (topics === null)
    throw refusal("NON_EMPTY_GROUP", `group '${id}' has members, and what they consume is not known`);
  return (topic) => topics.has(topic);
}
