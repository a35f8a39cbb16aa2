// The group coordinator: every request about groups comes in here.
//
// Owns: which shard and which kind of group a request is for, the conversion of an empty group from
//   one protocol to the other, and what happens to groups by themselves: offsets expire, topics go.
// Never: steps of a group (classic-group.ts, consumer-group.ts), bytes on the wire, or handles
//   without the shard's groups in memory (shard.ts).
//
// Invariant: between finding a shard ready and changing it, nothing is awaited.

import { MoldauError } from "../errors.ts";
import { maxAllGroupsBytes, maxGroupIdLength, maxGroups } from "../limits.ts";
import type { ClassicGroup } from "./classic-group.ts";
import type { ConsumerGroup, HeartbeatOutcome } from "./consumer-group.ts";
import { MemberIdRequiredError, refusal, requireShort, unknownMember } from "./environment.ts";
import { expiredOffsets } from "./expiry.ts";
import type { Group } from "./group.ts";
import { checkCommitter, commitOffsets, deleteOffsets, fetchOffsets } from "./offset-requests.ts";
import { partitionForGroup } from "./partition-for.ts";
import { encodeKey } from "./record-keys.ts";
import { Shard, type ShardParts } from "./shard.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResult,
  DeletedGroup,
  DescribedConsumerGroup,
  DescribedGroup,
  GroupCoordinator,
  GroupMetrics,
  GroupOffset,
  GroupRecord,
  GroupsContext,
  GroupsInState,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResult,
  LeaveGroupRequest,
  LeftMember,
  ListedGroup,
  ListGroupsRequest,
  OffsetCommitRequest,
  OffsetDeleteRequest,
  OffsetFetchRequest,
  OffsetFetchResult,
  SyncGroupRequest,
  SyncGroupResult,
  TopicOutcomes,
} from "./types.ts";

export class Groups implements GroupCoordinator {
  readonly #context: GroupsContext;
  readonly #parts: ShardParts;
  readonly #shards: Map<number, Shard> = new Map();
  #creating: Promise<void> | null = null;
  #closed: MoldauError | null = null;
  #expiry: { cancel(): void } | null = null;

  constructor(context: GroupsContext) {
    const { clock, entropy, options, timers, topics } = context;
    this.#context = context;
    this.#parts = {
      context,
      offsetCount: { total: 0 },
      groupCount: { total: 0 },
      environment: {
        ...{ options, timers, topics, memory: { usedBytes: 0, mostBytes: maxAllGroupsBytes } },
        counts: { rebalances: 0 },
        now: () => clock.now(),
        monotonic: () => clock.monotonic(),
        createId: () => {
          const bytes = new Uint8Array(16);
          entropy.fill(bytes);
          return uuidText(bytes);
        },
      },
    };
  }

  /** Begins to read the groups, if there are any, and the periodic work. */
  begin(): void {
    const topics = new Set<string>([...this.#context.topics.all()].map(({ name }) => name));
    for (const shard of this.#allShards()) void shard.ready(topics).catch(() => {});
    this.#awaitExpiry();
  }

  /** Ends all waits; nothing begins any more. */
  close(): void {
    this.#closed = new MoldauError("BROKER_CLOSED", "the broker is stopping: retry when it is back");
    this.#expiry?.cancel();
    for (const shard of this.#shards.values()) shard.close(this.#closed);
  }

  // ---- shards ------------------------------------------------------------------------------

  partitionFor(groupId: string): number {
    const { log, options } = this.#context;
    return partitionForGroup(groupId, log.partitions() || options.offsetsTopicPartitions);
  }

  #shard(partition: number): Shard {
    let shard = this.#shards.get(partition);
    if (shard === undefined) {
      shard = new Shard(partition, this.#parts);
      this.#shards.set(partition, shard);
    }
    return shard;
  }

  /** Of the partitions that there are. */
  #allShards(): Shard[] {
    return Array.from({ length: this.#context.log.partitions() }, (_, partition) => this.#shard(partition));
  }

  /** Does it with the group's shard, ready, or with null when there is no topic of groups yet. */
  async #with<Result>(groupId: string, work: (shard: Shard | null) => Result): Promise<Awaited<Result>> {
    this.#open();
    if (groupId.length > maxGroupIdLength) {
      throw refusal("INVALID_GROUP_ID", `a group's id has at most ${maxGroupIdLength} characters`);
    }
    if (this.#context.log.partitions() === 0) return await work(null);
    const shard = this.#shard(this.partitionFor(groupId));
    // Not a tick may lie between this and the work: the shard may be put down in any.
    while (!shard.isReady) await shard.ready();
    return await work(shard);
  }

  /** The same; the topic is made when it is missing. */
  async #within<Result>(groupId: string, work: (shard: Shard) => Result): Promise<Awaited<Result>> {
    this.#open();
    if (groupId === "") throw refusal("INVALID_GROUP_ID", "the group's id is empty");
    while (this.#context.log.partitions() === 0) {
      this.#creating ??= this.#create();
      await this.#creating;
      this.#open();
    }
    return this.#with(groupId, (shard) => {
      shard!.requireRoom();
      return work(shard!);
    });
  }

  async #create(): Promise<void> {
    const { log, options } = this.#context;
    try {
      await log.create(options.offsetsTopicPartitions);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new MoldauError("COORDINATOR_NOT_AVAILABLE", `the topic of groups cannot be made: ${reason}`, {
        cause: error,
      });
    } finally {
      this.#creating = null;
    }
  }

  #open(): void {
    if (this.#closed !== null) throw this.#closed;
  }

  #groupIn(shard: Shard, groupId: string): Group {
    const found = shard.find(groupId);
    if (found !== undefined) return found;
    if (this.#parts.groupCount.total >= maxGroups) {
      throw refusal("COORDINATOR_NOT_AVAILABLE", `there are ${maxGroups} groups already: delete some`);
    }
    return shard.create(groupId);
  }

  // ---- the classic protocol ----------------------------------------------------------------

  joinGroup(request: JoinGroupRequest): Promise<JoinGroupResult> {
    return this.#within(request.groupId, (shard) => this.#join(shard, request));
  }

  #join(shard: Shard, request: JoinGroupRequest): Promise<JoinGroupResult> {
    const { groupId, memberId } = request;
    const machine = shard.find(groupId)?.machine ?? null;
    if (machine?.type === "consumer" && !machine.isEmpty) {
      throw refusal("INCONSISTENT_GROUP_PROTOCOL", `the members of group '${groupId}' use the consumer protocol`);
    }
    if (machine?.type === "classic") return joining(machine, request);
    if (memberId !== "") throw unknownMember(groupId, memberId);
    const group = this.#groupIn(shard, groupId);
    const classic = shard.createClassic(groupId);
    try {
      const joined = joining(classic, request);
      this.#convert(shard, group, classic);
      return joined;
    } catch (error) {
      // Whoever is only given an id will come back with it.
      if (error instanceof MemberIdRequiredError) this.#convert(shard, group, classic);
      else shard.forgetIfUnused(group);
      throw error;
    }
  }

  /** An empty group goes on in the other protocol; its offsets stay. */
  #convert(shard: Shard, group: Group, machine: ClassicGroup | ConsumerGroup): readonly GroupRecord[] {
    const tombstones = tombstonesOf(group);
    const before = group.machine;
    group.machine = machine;
    before?.dissolve(refusal("NOT_COORDINATOR", "the group goes on in another protocol"));
    if (machine.type === "classic" && tombstones.length > 0) shard.persistOrPutDown(tombstones, () => {});
    return tombstones;
  }

  syncGroup(request: SyncGroupRequest): Promise<SyncGroupResult> {
    return this.#withClassic(
      request,
      (machine) =>
        new Promise<SyncGroupResult>((resolve, reject) => {
          machine.sync(request, (outcome) => (outcome instanceof MoldauError ? reject(outcome) : resolve(outcome)));
        }),
    );
  }

  heartbeat(request: HeartbeatRequest): Promise<void> {
    return this.#withClassic(request, (machine) => machine.heartbeat(request));
  }

  #withClassic<Result>(
    { groupId, memberId }: HeartbeatRequest,
    work: (machine: ClassicGroup) => Result,
  ): Promise<Awaited<Result>> {
    return this.#with(groupId, (shard) => {
      const machine = shard?.find(groupId)?.machine;
      if (machine?.type !== "classic") throw unknownMember(groupId, memberId);
      return work(machine);
    });
  }

  leaveGroup({ groupId, members }: LeaveGroupRequest): Promise<LeftMember[]> {
    return this.#with(groupId, (shard) => {
      const machine = shard?.find(groupId)?.machine;
      return members.map((member) => {
        const { memberId, groupInstanceId = null } = member;
        try {
          if (machine?.type !== "classic") throw unknownMember(groupId, memberId);
          machine.leave(member);
          return { memberId, groupInstanceId };
        } catch (error) {
          if (!(error instanceof MoldauError)) throw error;
          return { memberId, groupInstanceId, error };
        }
      });
    });
  }

  // ---- the consumer protocol ---------------------------------------------------------------

  async consumerGroupHeartbeat(request: ConsumerGroupHeartbeatRequest): Promise<ConsumerGroupHeartbeatResult> {
    const { groupId, memberEpoch } = request;
    if (memberEpoch !== 0 && groupId !== "" && this.#context.log.partitions() === 0) throw groupNotFound(groupId);
    return this.#within(groupId, async (shard) => {
      const { group, result } = this.#beat(shard, request);
      // Also who changes nothing may see what another has changed just now.
      if (group.unsettled !== null) await group.unsettled;
      return result;
    });
  }

  #beat(
    shard: Shard,
    request: ConsumerGroupHeartbeatRequest,
  ): { readonly group: Group; readonly result: ConsumerGroupHeartbeatResult } {
    const { groupId, memberEpoch } = request;
    const found = shard.find(groupId);
    const machine = found?.machine ?? null;
    if (machine?.type === "classic" && !machine.isIdle) {
      throw refusal("GROUP_ID_NOT_FOUND", `the members of group '${groupId}' use the classic protocol`);
    }
    if (machine?.type !== "consumer" && memberEpoch !== 0) throw groupNotFound(groupId);
    const consumer = machine?.type === "consumer" ? machine : shard.createConsumer(groupId);
    const group = found ?? this.#groupIn(shard, groupId);
    let outcome: HeartbeatOutcome;
    try {
      outcome = consumer.heartbeat(request);
    } catch (error) {
      shard.forgetIfUnused(group);
      throw error;
    }
    const tombstones = group.machine === consumer ? [] : this.#convert(shard, group, consumer);
    this.#settle(shard, group, [...tombstones, ...outcome.records]);
    return { group, result: outcome.result };
  }

  #settle(shard: Shard, group: Group, records: readonly GroupRecord[]): void {
    if (records.length === 0) return;
    let settled: Promise<void> | null = null;
    settled = new Promise<void>((resolve, reject) => {
      shard.persistOrPutDown(records, (failure) => {
        // A failure may come at once, before there is a promise.
        if (settled !== null && group.unsettled === settled) group.unsettled = null;
        if (failure === null) resolve();
        else reject(failure);
      });
    });
    group.unsettled = settled;
  }

  // ---- committed offsets -------------------------------------------------------------------

  async commitOffsets(request: OffsetCommitRequest): Promise<TopicOutcomes[]> {
    const { groupId, generationIdOrMemberEpoch: epoch = -1, memberId = "" } = request;
    requireShort("member id", memberId);
    return this.#within(groupId, (shard) => {
      if (shard.find(groupId) === undefined && epoch >= 0) {
        throw refusal("ILLEGAL_GENERATION", `there is no group '${groupId}', and no generation ${epoch} of it`);
      }
      const group = this.#groupIn(shard, groupId);
      try {
        checkCommitter(group, request);
        return commitOffsets(shard, group, request, this.#context, this.#parts.offsetCount);
      } finally {
        // Nothing of it may be on its way.
        shard.forgetIfUnused(group);
      }
    });
  }

  fetchOffsets(request: OffsetFetchRequest): Promise<OffsetFetchResult> {
    const { groupId, memberId = null, memberEpoch = -1 } = request;
    return this.#with(groupId, (shard) => {
      const group = shard?.find(groupId);
      if (memberEpoch >= 0 && memberId !== null) {
        if (group === undefined) throw groupNotFound(groupId);
        if (group.machine?.type === "consumer") group.machine.checkEpoch(memberEpoch, memberId);
      }
      return fetchOffsets(group, request);
    });
  }

  deleteOffsets(request: OffsetDeleteRequest): Promise<TopicOutcomes[]> {
    const { groupId } = request;
    return this.#with(groupId, (shard) => {
      const group = shard?.find(groupId);
      if (shard === null || group === undefined) throw groupNotFound(groupId);
      shard.requireRoom();
      return deleteOffsets(shard, group, request, this.#context);
    });
  }

  // ---- administration ----------------------------------------------------------------------

  async listGroups(request: ListGroupsRequest = {}): Promise<ListedGroup[]> {
    this.#open();
    const states = new Set((request.statesFilter ?? []).map((state) => state.toLowerCase()));
    const types = new Set((request.typesFilter ?? []).map((type) => type.toLowerCase()));
    const listed: ListedGroup[] = [];
    for (const shard of this.#allShards()) {
      while (!shard.isReady) await shard.ready();
      for (const group of shard.groups.values()) {
        const entry = listedGroup(group);
        if (states.size > 0 && !states.has(entry.groupState.toLowerCase())) continue;
        if (types.size > 0 && !types.has(entry.groupType)) continue;
        listed.push(entry);
      }
    }
    return listed.sort((one, other) => (one.groupId < other.groupId ? -1 : 1));
  }

  describeGroups(groupIds: readonly string[]): Promise<DescribedGroup[]> {
    const dead = { groupState: "Dead", protocolType: "", protocolData: "", generationId: -1, members: [] } as const;
    return this.#each(
      groupIds,
      (groupId, group): DescribedGroup => {
        const machine = group?.machine;
        if (machine?.type === "classic") return machine.describe();
        if (group === undefined || machine?.type === "consumer") throw groupNotFound(groupId);
        return { ...dead, groupId, groupState: "Empty", generationId: 0 };
      },
      (groupId, error) => ({ ...dead, groupId, error }),
    );
  }

  describeConsumerGroups(groupIds: readonly string[]): Promise<DescribedConsumerGroup[]> {
    const dead = { groupState: "Dead", groupEpoch: 0, assignmentEpoch: 0, assignorName: "", members: [] } as const;
    return this.#each(
      groupIds,
      (groupId, group): DescribedConsumerGroup => {
        const machine = group?.machine;
        if (machine?.type !== "consumer") throw groupNotFound(groupId);
        return machine.describe();
      },
      (groupId, error) => ({ ...dead, groupId, error }),
    );
  }

  deleteGroups(groupIds: readonly string[]): Promise<DeletedGroup[]> {
    return this.#each(
      groupIds,
      async (groupId, group, shard): Promise<DeletedGroup> => {
        if (group === undefined) throw groupNotFound(groupId);
        const { machine } = group;
        if (machine !== null && (!machine.isEmpty || machine.memberCount > 0)) {
          throw refusal("NON_EMPTY_GROUP", `group '${groupId}' has members: it can be deleted once they have left`);
        }
        shard!.requireRoom();
        await this.#remove(shard!, group);
        return { groupId };
      },
      (groupId, error) => ({ groupId, error }),
    );
  }

  /** Each group by itself; the error of one is its own. */
  #each<Result>(
    groupIds: readonly string[],
    work: (groupId: string, group: Group | undefined, shard: Shard | null) => Result | Promise<Result>,
    refused: (groupId: string, error: MoldauError) => Result,
  ): Promise<Result[]> {
    return Promise.all(
      groupIds.map(async (groupId): Promise<Result> => {
        try {
          return await this.#with(groupId, (shard) => work(groupId, shard?.find(groupId), shard));
        } catch (error) {
          if (!(error instanceof MoldauError)) throw error;
          return refused(groupId, error);
        }
      }),
    );
  }

  /** Durable when it resolves. Who joins or commits meanwhile comes after it, and finds a new group. */
  async #remove(shard: Shard, group: Group): Promise<void> {
    const tombstones = tombstonesOf(group);
    const deleting = [shard.deleteOffsets(group, group.offsets.keys())];
    group.dissolve(refusal("COORDINATOR_NOT_AVAILABLE", "the group is being deleted: try again"));
    if (tombstones.length > 0) {
      deleting.push(
        new Promise((resolve, reject) => {
          shard.persistOrPutDown(tombstones, (failure) => (failure === null ? resolve() : reject(failure)));
        }),
      );
    }
    await Promise.all(deleting);
    shard.forgetIfUnused(group);
  }

  // ---- numbers -----------------------------------------------------------------------------

  metrics(): GroupMetrics {
    const inState = new Map<string, { -readonly [Key in keyof GroupsInState]: GroupsInState[Key] }>();
    let members = 0;
    for (const { groups } of this.#shards.values()) {
      for (const group of groups.values()) {
        const { groupType, groupState } = listedGroup(group);
        members += group.machine?.memberCount ?? 0;
        const key = `${groupType} ${groupState}`;
        const found = inState.get(key);
        if (found === undefined) inState.set(key, { groupType, groupState, count: 1 });
        else found.count += 1;
      }
    }
    const { environment, offsetCount } = this.#parts;
    return {
      ...{ groups: [...inState.values()], members, committedOffsets: offsetCount.total },
      rebalances: environment.counts.rebalances,
    };
  }

  *committedOffsets(): Generator<GroupOffset, void, void> {
    for (const { groups } of this.#shards.values()) {
      for (const { id: groupId, offsets } of groups.values()) {
        for (const [topic, partitions] of offsets.topics()) {
          for (const [partition, { offset }] of partitions) {
            yield { groupId, topic, partition, committedOffset: offset };
          }
        }
      }
    }
  }

  // ---- what happens by itself --------------------------------------------------------------

  /** A topic was created, or got partitions. */
  topicsChanged(): void {
    for (const shard of this.#shards.values()) {
      for (const { machine } of shard.groups.values()) if (machine?.type === "consumer") machine.topicsChanged();
    }
  }

  /** Resolves when nothing is committed for it any more; a new topic of its name begins without offsets. */
  async topicDeleted(name: string): Promise<void> {
    this.topicsChanged();
    const deleting: Promise<void>[] = [];
    for (const shard of this.#allShards()) {
      while (!shard.isReady) await shard.ready();
      for (const group of shard.groups.values()) {
        const keys = group.offsets.keys(name);
        if (keys.length > 0) deleting.push(shard.deleteOffsets(group, keys));
      }
    }
    await Promise.all(deleting);
  }

  #awaitExpiry(): void {
    const { timers, options, logger } = this.#context;
    this.#expiry = timers.after(options.offsetsRetentionCheckIntervalMs, () => {
      this.expire().then(
        () => this.#closed ?? this.#awaitExpiry(),
        (error: unknown) => {
          if (this.#closed !== null) return;
          logger.log("warn", `old offsets were not removed: ${error instanceof Error ? error.message : String(error)}`);
          this.#awaitExpiry();
        },
      );
    });
  }

  /** Removes offsets whose time has come, and groups of which nothing is left. Resolves to the offsets removed. */
  async expire(): Promise<number> {
    const { clock, options } = this.#context;
    const now = clock.now();
    let count = 0;
    for (const shard of this.#shards.values()) {
      if (!shard.isReady) continue;
      const removing: Promise<void>[] = [];
      for (const group of [...shard.groups.values()]) {
        const expired = expiredOffsets(group, now, options.offsetsRetentionMs);
        count += expired.length;
        const isOver = group.hasNoMembers && group.unsettled === null && group.offsets.sizeToCome === expired.length;
        if (isOver) removing.push(this.#remove(shard, group));
        else if (expired.length > 0) removing.push(shard.deleteOffsets(group, expired));
      }
      await Promise.all(removing);
    }
    return count;
  }
}

function joining(machine: ClassicGroup, request: JoinGroupRequest): Promise<JoinGroupResult> {
  let resolve: (result: JoinGroupResult) => void = () => {};
  let reject: (error: MoldauError) => void = () => {};
  const joined = new Promise<JoinGroupResult>((onResult, onError) => {
    resolve = onResult;
    reject = onError;
  });
  machine.join(request, (outcome) => (outcome instanceof MoldauError ? reject(outcome) : resolve(outcome)));
  return joined;
}

/** What removes the group itself, not its offsets, from the log. */
function tombstonesOf({ id, machine }: Group): GroupRecord[] {
  if (machine === null) return [];
  if (machine.type === "consumer") return machine.tombstones();
  return machine.generationId === 0 ? [] : [{ key: encodeKey({ kind: "classicGroup", group: id }), value: null }];
}

function listedGroup({ id: groupId, machine }: Group): ListedGroup {
  if (machine === null) return { groupId, protocolType: "", groupState: "Empty", groupType: "classic" };
  if (machine.type === "consumer") {
    return { groupId, protocolType: "consumer", groupState: machine.state, groupType: "consumer" };
  }
  return { groupId, protocolType: machine.protocolType ?? "", groupState: machine.state, groupType: "classic" };
}

function groupNotFound(groupId: string): MoldauError {
  return refusal("GROUP_ID_NOT_FOUND", `there is no group '${groupId}', or it is of the other protocol`);
}

function uuidText(bytes: Uint8Array): string {
  bytes[6] = ((bytes[6] as number) & 15) | 64;
  bytes[8] = ((bytes[8] as number) & 63) | 128;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
