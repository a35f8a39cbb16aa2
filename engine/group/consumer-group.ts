// A group of the consumer protocol (KIP-848): the broker assigns, and each member moves there by
// its heartbeats.
//
//   group epoch        rises when a subscription, the members or their topics change
//   assignment epoch   the group epoch that the target assignment was computed for
//   member epoch       the assignment that a member has moved to: it has revoked all it must
//
// Owns: those epochs, who is to have what, who has what, sessions and revocation timeouts.
// Never: reads or writes bytes (consumer-values.ts), finds groups (coordinator.ts), keeps offsets.
//
// Invariants: a partition is assigned or still to be revoked by one member at most; another gets it
//   only when that one has said in a heartbeat that it let go, has left, or was fenced. The answer
//   to a heartbeat leaves when the records that it returns are durable.

import { maxGroupBytes, maxPartitionsPerGroup, maxSubscriptionBytes, partitionInGroupBytes } from "../limits.ts";
import { type AssignmentMember, assignors, defaultAssignor } from "./assignors.ts";
import {
  type ConsumerMemberValue,
  type CurrentMemberValue,
  encodeConsumerMember,
  encodeCurrent,
  encodeEpoch,
  encodeTarget,
  encodeTopics,
  type MemberState,
  type SubscribedTopic,
} from "./consumer-values.ts";
import type { Deadline } from "./deadline.ts";
import { createDeadline, type GroupEnvironment, refusal, requireShort, unknownMember } from "./environment.ts";
import { PartitionSet } from "./partition-set.ts";
import { encodeKey, type GroupKeyKind, type MemberKeyKind } from "./record-keys.ts";
import { compileTopicPattern, type TopicPattern } from "./topic-pattern.ts";
import type {
  ConsumerGroupHeartbeatRequest,
  ConsumerGroupHeartbeatResult,
  ConsumerGroupState,
  DescribedConsumerGroup,
  GroupRecord,
  NamedTopicPartitions,
} from "./types.ts";

const joinEpoch = 0;
const leaveEpoch = -1;
const staticLeaveEpoch = -2;
/** Of a topic in the group's record, besides its name. */
const topicRecordBytes = 24;

interface Member {
  readonly memberId: string;
  instanceId: string | null;
  rackId: string | null;
  clientId: string;
  clientHost: string;
  rebalanceTimeoutMs: number;
  /** Sorted, each once. */
  topicNames: readonly string[];
  pattern: TopicPattern | null;
  serverAssignor: string | null;
  epoch: number;
  /** Accepted too: the answer with the epoch may have been lost. */
  previousEpoch: number;
  state: MemberState;
  assigned: PartitionSet;
  /** Not its own any more, and not yet given up. */
  revoking: PartitionSet;
  readonly session: Deadline;
  readonly revocation: Deadline;
}

/** A group as its records say. */
export interface ConsumerGroupImage {
  epoch: number;
  assignmentEpoch: number;
  topics: readonly SubscribedTopic[];
  readonly members: Map<string, ConsumerMemberValue>;
  readonly targets: Map<string, PartitionSet>;
  readonly current: Map<string, CurrentMemberValue>;
}

export interface HeartbeatOutcome {
  readonly result: ConsumerGroupHeartbeatResult;
  readonly records: readonly GroupRecord[];
}

export class ConsumerGroup {
  readonly type = "consumer";
  readonly groupId: string;
  readonly #environment: GroupEnvironment;
  #epoch = 0;
  #assignmentEpoch = 0;
  #assignor = defaultAssignor;
  /** What the group is subscribed to and exists, by name. */
  #topics: Map<string, SubscribedTopic> = new Map();
  #topicsMayDiffer = false;
  /** Names of topics by the expression that matches them. */
  readonly #matches: Map<string, ReadonlySet<string>> = new Map();
  readonly #members: Map<string, Member> = new Map();
  /** Member ids by instance id. */
  readonly #instances: Map<string, string> = new Map();
  #targets: Map<string, PartitionSet> = new Map();
  /** Member ids by topic id and partition, of what is assigned or still to be revoked. */
  readonly #owners: Map<string, Map<number, string>> = new Map();
  #emptiedAt: number;
  /** Subscriptions. */
  #usedBytes = 0;
  /** What the sets of its topics' partitions take at most, roughly. */
  #partitionBytes = 0;

  constructor(groupId: string, environment: GroupEnvironment) {
    this.groupId = groupId;
    this.#environment = environment;
    this.#emptiedAt = environment.now();
  }

  /** As it was stored; sessions begin anew. `changedAt`: when the last of its records was written. */
  static restore(
    groupId: string,
    environment: GroupEnvironment,
    image: ConsumerGroupImage,
    changedAt: number,
  ): ConsumerGroup {
    const group = new ConsumerGroup(groupId, environment);
    group.#epoch = image.epoch;
    group.#assignmentEpoch = image.assignmentEpoch;
    group.#topics = new Map(image.topics.map((topic) => [topic.name, topic]));
    group.#countPartitions();
    group.#topicsMayDiffer = true;
    group.#emptiedAt = changedAt;
    for (const [memberId, stored] of image.members) {
      const member = group.#create(memberId, stored.instanceId);
      const { rackId, clientId, clientHost, rebalanceTimeoutMs, topicNames, serverAssignor } = stored;
      Object.assign(member, { rackId, clientId, clientHost, rebalanceTimeoutMs, topicNames, serverAssignor });
      member.pattern = stored.topicRegex === null ? null : readablePattern(stored.topicRegex);
      const current = image.current.get(memberId);
      if (current !== undefined) {
        member.epoch = current.memberEpoch;
        member.previousEpoch = current.previousMemberEpoch;
        group.#move(member, current.state, current.assigned, current.revoking);
      }
      group.#take(sizeOf(member));
      member.session.set(environment.options.consumerSessionTimeoutMs);
      if (member.state === "unrevoked") member.revocation.set(member.rebalanceTimeoutMs);
    }
    for (const [memberId, target] of image.targets)
      if (group.#members.has(memberId)) group.#targets.set(memberId, target);
    group.#chooseAssignor();
    return group;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  get memberCount(): number {
    return this.#members.size;
  }

  /** When the last member left; as of a restart, when the last record about the group was written. */
  get emptiedAt(): number {
    return this.#emptiedAt;
  }

  get state(): ConsumerGroupState {
    if (this.#members.size === 0) return "Empty";
    if (this.#epoch > this.#assignmentEpoch) return "Assigning";
    for (const { state, epoch } of this.#members.values()) {
      if (state !== "stable" || epoch !== this.#assignmentEpoch) return "Reconciling";
    }
    return "Stable";
  }

  /** Topics were created, deleted or got partitions: the next heartbeat looks. */
  topicsChanged(): void {
    this.#topicsMayDiffer = true;
    this.#matches.clear();
  }

  // ---- the heartbeat -----------------------------------------------------------------------

  /** Throws before anything is changed. */
  heartbeat(request: ConsumerGroupHeartbeatRequest): HeartbeatOutcome {
    checkRequest(request);
    const records: GroupRecord[] = [];
    if (request.memberEpoch < 0) return { result: this.#leave(request, records), records };
    const pattern = this.#patternOf(request);
    const owned = ownedBy(request);
    const { member, isNew } = this.#memberFor(request, owned, records);
    const sentEpoch = request.memberEpoch;
    const isBehind = sentEpoch !== member.epoch;
    const before = member.assigned;
    const isChanged = this.#subscribe(member, request, pattern, isNew, records);
    this.#refresh(isChanged, records);
    this.#reconcile(member, owned, records);
    member.session.set(this.#environment.options.consumerSessionTimeoutMs);
    const says = sentEpoch === joinEpoch || isFull(request) || isBehind || !member.assigned.equals(before);
    const result = {
      memberId: member.memberId,
      memberEpoch: member.epoch,
      heartbeatIntervalMs: this.#environment.options.consumerHeartbeatIntervalMs,
      assignment: says ? member.assigned.toTopics() : null,
    };
    return { result, records };
  }

  #patternOf({ subscribedTopicRegex: source }: ConsumerGroupHeartbeatRequest): TopicPattern | null | undefined {
    if (source === null || source === undefined) return undefined;
    return source === "" ? null : compileTopicPattern(source);
  }

  /** The member that this is, checked. For a newcomer it is made. */
  #memberFor(
    request: ConsumerGroupHeartbeatRequest,
    owned: PartitionSet | null,
    records: GroupRecord[],
  ): { readonly member: Member; readonly isNew: boolean } {
    const { memberId, memberEpoch, instanceId = null } = request;
    const holderId = instanceId === null ? undefined : this.#instances.get(instanceId);
    const holder = holderId === undefined ? undefined : this.#members.get(holderId);
    if (memberEpoch !== joinEpoch) {
      if (instanceId !== null && holder !== undefined && holder.memberId !== memberId) throw this.#fenced(request);
      const member = instanceId === null ? this.#members.get(memberId) : holder;
      if (member === undefined) throw unknownMember(this.groupId, memberId);
      this.#checkEpoch(member, memberEpoch, owned);
      if (request.subscribedTopicNames != null) this.#checkBytes(sizeOfRequest(request) - sizeOf(member));
      return { member, isNew: false };
    }
    const id = memberId === "" ? this.#environment.createId() : memberId;
    if (holder !== undefined && holder.memberId !== id && holder.epoch !== staticLeaveEpoch) {
      throw refusal(
        "UNRELEASED_INSTANCE_ID",
        `in group '${this.groupId}' instance '${instanceId}' is still member '${holder.memberId}'`,
      );
    }
    const isReturning = holder !== undefined && holder.epoch === staticLeaveEpoch;
    const existing = holder ?? this.#members.get(id);
    if (existing === undefined && this.#members.size >= this.#environment.options.maxSize) {
      throw refusal("GROUP_MAX_SIZE_REACHED", `group '${this.groupId}' has ${this.#members.size} members`);
    }
    this.#checkBytes(sizeOfRequest(request));
    if (isReturning) return { member: this.#takeOver(holder, id, records), isNew: false };
    // It has given up all that it had; an epoch of before is not accepted from it any more.
    if (existing !== undefined) this.#forget(existing);
    return { member: this.#create(id, instanceId), isNew: true };
  }

  #checkEpoch(member: Member, epoch: number, owned: PartitionSet | null): void {
    if (epoch === member.epoch) return;
    const hasMissedAnswer = epoch === member.previousEpoch && epoch < member.epoch;
    if (hasMissedAnswer && owned?.isSubsetOf(member.assigned)) return;
    throw refusal(
      "FENCED_MEMBER_EPOCH",
      `member '${member.memberId}' of group '${this.groupId}' is in epoch ${member.epoch}, not ${epoch}: join again`,
    );
  }

  #fenced({ instanceId, memberId }: ConsumerGroupHeartbeatRequest): Error {
    return refusal(
      "FENCED_INSTANCE_ID",
      `in group '${this.groupId}' another member has taken over instance '${instanceId}' from '${memberId}'`,
    );
  }

  #create(memberId: string, instanceId: string | null): Member {
    const member: Member = {
      ...{ memberId, instanceId, rackId: null, clientId: "", clientHost: "", rebalanceTimeoutMs: -1 },
      ...{ topicNames: [], pattern: null, serverAssignor: null, epoch: joinEpoch, previousEpoch: joinEpoch },
      ...{ state: "stable", assigned: new PartitionSet(), revoking: new PartitionSet() },
      session: createDeadline(this.#environment, () => this.#lost(member)),
      revocation: createDeadline(this.#environment, () => this.#lost(member)),
    };
    this.#members.set(memberId, member);
    if (instanceId !== null) this.#instances.set(instanceId, memberId);
    return member;
  }

  /** A static member comes back: what was its own stays its own. */
  #takeOver(before: Member, memberId: string, records: GroupRecord[]): Member {
    const { rackId, clientId, clientHost, rebalanceTimeoutMs, topicNames, pattern, serverAssignor } = before;
    const { assigned } = before;
    const target = this.#targets.get(before.memberId) ?? new PartitionSet();
    this.#forget(before);
    if (memberId !== before.memberId) records.push(...this.#tombstones(before.memberId));
    this.#targets.delete(before.memberId);
    const member = this.#create(memberId, before.instanceId);
    Object.assign(member, { rackId, clientId, clientHost, rebalanceTimeoutMs, topicNames, pattern, serverAssignor });
    this.#take(sizeOf(member));
    this.#move(member, "stable", assigned, new PartitionSet());
    this.#targets.set(memberId, target);
    records.push(this.#memberRecord(member), this.#targetRecord(memberId, target));
    return member;
  }

  /** Takes over what the request says. True when the group has to assign anew. */
  #subscribe(
    member: Member,
    request: ConsumerGroupHeartbeatRequest,
    pattern: TopicPattern | null | undefined,
    isNew: boolean,
    records: GroupRecord[],
  ): boolean {
    const before = isNew ? null : encodeConsumerMember(valueOf(member));
    const sizeBefore = isNew ? 0 : sizeOf(member);
    const namesBefore = member.topicNames;
    const sourceBefore = member.pattern?.source;
    if (request.subscribedTopicNames != null) member.topicNames = [...new Set(request.subscribedTopicNames)].sort();
    if (pattern !== undefined) member.pattern = pattern;
    if (request.rackId != null) member.rackId = request.rackId;
    if (request.serverAssignor != null) member.serverAssignor = request.serverAssignor;
    if (request.rebalanceTimeoutMs !== undefined && request.rebalanceTimeoutMs >= 0) {
      member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    }
    if (request.clientId !== undefined) member.clientId = request.clientId;
    if (request.clientHost !== undefined) member.clientHost = request.clientHost;
    this.#take(sizeOf(member) - sizeBefore);
    const record = this.#memberRecord(member);
    if (before !== null && sameBytes(before, record.value)) return false;
    records.push(record);
    const assignorBefore = this.#assignor;
    this.#chooseAssignor();
    return (
      isNew ||
      assignorBefore !== this.#assignor ||
      sourceBefore !== member.pattern?.source ||
      namesBefore.length !== member.topicNames.length ||
      namesBefore.some((name, at) => name !== member.topicNames[at])
    );
  }

  /** What most members ask for; the first of these in a draw. */
  #chooseAssignor(): void {
    const votes = new Map<string, number>();
    for (const { serverAssignor } of this.#members.values()) {
      if (serverAssignor !== null) votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1);
    }
    let most = 0;
    this.#assignor = defaultAssignor;
    for (const [name, count] of votes) {
      if (count <= most || !assignors.has(name)) continue;
      this.#assignor = name;
      most = count;
    }
  }

  // ---- assigning ---------------------------------------------------------------------------

  /** Sees to it that the target fits subscriptions, members and topics. */
  #refresh(isChanged: boolean, records: GroupRecord[]): void {
    const topicsDiffer = (isChanged || this.#topicsMayDiffer) && this.#updateTopics(records);
    if (isChanged || topicsDiffer) this.#raiseEpoch(records);
    if (this.#epoch > this.#assignmentEpoch) this.#assign(records);
  }

  #raiseEpoch(records: GroupRecord[]): void {
    this.#epoch += 1;
    records.push({ key: this.#key("consumerGroup"), value: encodeEpoch(this.#epoch) });
  }

  /** False when they are what they were. */
  #updateTopics(records: GroupRecord[]): boolean {
    this.#topicsMayDiffer = false;
    const names = new Set<string>();
    const sources = new Set<string>();
    for (const { topicNames, pattern } of this.#members.values()) {
      for (const name of topicNames) names.add(name);
      if (pattern === null) continue;
      sources.add(pattern.source);
      for (const name of this.#matching(pattern)) names.add(name);
    }
    for (const source of this.#matches.keys()) if (!sources.has(source)) this.#matches.delete(source);
    const topics = this.#existing([...names].sort());
    const isSame =
      topics.size === this.#topics.size &&
      [...topics].every(([name, { id, partitions }]) => {
        const before = this.#topics.get(name);
        return before !== undefined && before.id === id && before.partitions === partitions;
      });
    if (isSame) return false;
    this.#topics = topics;
    this.#countPartitions();
    records.push({ key: this.#key("consumerTopics"), value: encodeTopics([...topics.values()]) });
    return true;
  }

  #matching(pattern: TopicPattern): ReadonlySet<string> {
    let names = this.#matches.get(pattern.source);
    if (names === undefined) {
      const matching = new Set<string>();
      for (const { name, internal = false } of this.#environment.topics.all()) {
        if (!internal && pattern.matches(name)) matching.add(name);
      }
      names = matching;
      this.#matches.set(pattern.source, names);
    }
    return names;
  }

  /** As many of these as there is room for, in memory and in one record. */
  #existing(names: readonly string[]): Map<string, SubscribedTopic> {
    const { memory, topics: view } = this.#environment;
    const topics = new Map<string, SubscribedTopic>();
    const room = Math.floor((memory.mostBytes - memory.usedBytes + this.#partitionBytes) / partitionInGroupBytes);
    let left = Math.min(maxPartitionsPerGroup, room);
    let leftBytes = maxGroupBytes / 2;
    for (const name of names) {
      const topic = view.find(name);
      if (topic === undefined || topic.partitions > left || name.length > leftBytes) continue;
      left -= topic.partitions;
      leftBytes -= name.length + topicRecordBytes;
      topics.set(name, { id: topic.id, name, partitions: topic.partitions });
    }
    return topics;
  }

  #countPartitions(): void {
    let partitions = 0;
    for (const topic of this.#topics.values()) partitions += topic.partitions;
    const bytes = partitions * partitionInGroupBytes;
    this.#environment.memory.usedBytes += bytes - this.#partitionBytes;
    this.#partitionBytes = bytes;
  }

  #assign(records: GroupRecord[]): void {
    const topicIdsOf = ({ topicNames, pattern }: Member): Set<string> => {
      const ids = new Set<string>();
      for (const names of [topicNames, pattern === null ? [] : this.#matching(pattern)]) {
        for (const name of names) {
          const topic = this.#topics.get(name);
          if (topic !== undefined) ids.add(topic.id);
        }
      }
      return ids;
    };
    const none = new PartitionSet();
    const members = [...this.#members.values()].map(
      (member): AssignmentMember => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        topicIds: topicIdsOf(member),
        before: this.#targets.get(member.memberId) ?? none,
      }),
    );
    const topics = new Map([...this.#topics.values()].map(({ id, partitions }) => [id, partitions]));
    const targets = assignors.get(this.#assignor)!(members, topics);
    for (const [memberId, target] of targets) {
      const before = this.#targets.get(memberId);
      if (before === undefined || !before.equals(target)) records.push(this.#targetRecord(memberId, target));
    }
    this.#targets = targets;
    this.#assignmentEpoch = this.#epoch;
    this.#environment.counts.rebalances += 1;
    records.push({ key: this.#key("targetEpoch"), value: encodeEpoch(this.#epoch) });
  }

  // ---- reconciling -------------------------------------------------------------------------

  /** Moves a member towards its target, as far as it and the others have let go. `owned` null: it does not say. */
  #reconcile(member: Member, owned: PartitionSet | null, records: GroupRecord[]): void {
    if (member.state === "unrevoked" && (owned === null || owned.overlaps(member.revoking))) return;
    const isThere = member.state === "stable" && member.epoch === this.#assignmentEpoch;
    if (isThere) return;
    const target = this.#targets.get(member.memberId) ?? new PartitionSet();
    const kept = member.assigned.filter((topicId, partition) => target.has(topicId, partition));
    const givenUp = member.assigned.filter((topicId, partition) => !target.has(topicId, partition));
    const mustRevoke = !givenUp.isEmpty && (owned === null || owned.overlaps(givenUp));
    const { epoch: epochBefore, state: stateBefore, assigned: before } = member;
    if (mustRevoke) {
      this.#move(member, "unrevoked", kept, givenUp);
    } else {
      let isWaiting = false;
      const assigned = target.filter((topicId, partition) => {
        const owner = this.#owners.get(topicId)?.get(partition);
        if (owner === undefined || owner === member.memberId) return true;
        isWaiting = true;
        return false;
      });
      if (member.epoch !== this.#assignmentEpoch) member.previousEpoch = member.epoch;
      member.epoch = this.#assignmentEpoch;
      this.#move(member, isWaiting ? "unreleased" : "stable", assigned, new PartitionSet());
    }
    const isSame = epochBefore === member.epoch && stateBefore === member.state && before.equals(member.assigned);
    if (!isSame || member.state === "unrevoked") records.push(this.#currentRecord(member));
    if (member.state !== "unrevoked") member.revocation.clear();
    // Told to give up more when it has given up what it was told before, it has all of the time again.
    else if (!isSame || !member.revocation.isSet) member.revocation.set(member.rebalanceTimeoutMs);
  }

  #move(member: Member, state: MemberState, assigned: PartitionSet, revoking: PartitionSet): void {
    this.#release(member);
    member.state = state;
    member.assigned = assigned;
    member.revoking = revoking;
    for (const set of [assigned, revoking]) {
      for (const [topicId, partition] of set) {
        let owners = this.#owners.get(topicId);
        if (owners === undefined) this.#owners.set(topicId, (owners = new Map()));
        owners.set(partition, member.memberId);
      }
    }
  }

  #release(member: Member): void {
    for (const set of [member.assigned, member.revoking]) {
      for (const [topicId, partition] of set) {
        const owners = this.#owners.get(topicId);
        if (owners?.get(partition) !== member.memberId) continue;
        owners.delete(partition);
        if (owners.size === 0) this.#owners.delete(topicId);
      }
    }
  }

  // ---- leaving -----------------------------------------------------------------------------

  #leave(request: ConsumerGroupHeartbeatRequest, records: GroupRecord[]): ConsumerGroupHeartbeatResult {
    const { memberId, memberEpoch, instanceId = null } = request;
    const holderId = instanceId === null ? memberId : this.#instances.get(instanceId);
    const member = holderId === undefined ? undefined : this.#members.get(holderId);
    if (member === undefined) throw unknownMember(this.groupId, memberId);
    if (member.memberId !== memberId) throw this.#fenced(request);
    if (memberEpoch === leaveEpoch) this.#removeMember(member, records);
    else {
      // Its partitions stay reserved until it comes back or its session ends.
      member.previousEpoch = member.epoch;
      member.epoch = staticLeaveEpoch;
      this.#move(member, "stable", member.assigned, new PartitionSet());
      member.revocation.clear();
      records.push(this.#currentRecord(member));
    }
    return { memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null };
  }

  #lost(member: Member): void {
    if (this.#members.get(member.memberId) !== member) return;
    const records: GroupRecord[] = [];
    this.#removeMember(member, records);
    this.#environment.persist(records, () => {});
  }

  #removeMember(member: Member, records: GroupRecord[]): void {
    this.#forget(member);
    this.#targets.delete(member.memberId);
    records.push(...this.#tombstones(member.memberId));
    this.#chooseAssignor();
    this.#updateTopics(records);
    this.#raiseEpoch(records);
    if (this.#members.size === 0) this.#emptiedAt = this.#environment.now();
  }

  #forget(member: Member): void {
    this.#release(member);
    member.session.clear();
    member.revocation.clear();
    this.#members.delete(member.memberId);
    if (member.instanceId !== null) this.#instances.delete(member.instanceId);
    this.#take(-sizeOf(member));
  }

  /** The group is not used any more. */
  dissolve(): void {
    for (const member of [...this.#members.values()]) this.#forget(member);
    this.#topics.clear();
    this.#countPartitions();
  }

  // ---- commits -----------------------------------------------------------------------------

  /** Throws unless an offset may be committed by this member, or from outside. */
  checkCommit(memberEpoch: number, memberId: string): void {
    if (memberEpoch < 0 && this.#members.size === 0) return;
    this.checkEpoch(memberEpoch, memberId);
  }

  /** Throws UNKNOWN_MEMBER_ID or STALE_MEMBER_EPOCH. */
  checkEpoch(memberEpoch: number, memberId: string): void {
    const member = this.#members.get(memberId);
    if (member === undefined) throw unknownMember(this.groupId, memberId);
    if (member.epoch === memberEpoch) return;
    throw refusal(
      "STALE_MEMBER_EPOCH",
      `member '${memberId}' of group '${this.groupId}' is in epoch ${member.epoch}, not ${memberEpoch}`,
    );
  }

  isSubscribedTo(topic: string): boolean {
    if (this.#topics.has(topic)) return true;
    for (const { topicNames } of this.#members.values()) if (topicNames.includes(topic)) return true;
    return false;
  }

  // ---- what others see ---------------------------------------------------------------------

  describe(): DescribedConsumerGroup {
    const names = new Map([...this.#topics.values()].map(({ id, name }) => [id, name]));
    const named = (set: PartitionSet): NamedTopicPartitions[] =>
      set.toTopics().map((topic) => ({ ...topic, topicName: names.get(topic.topicId) ?? "" }));
    return {
      groupId: this.groupId,
      groupState: this.state,
      groupEpoch: this.#epoch,
      assignmentEpoch: this.#assignmentEpoch,
      assignorName: this.#assignor,
      members: [...this.#members.values()].map((member) => ({
        ...{ memberId: member.memberId, instanceId: member.instanceId, rackId: member.rackId },
        ...{ memberEpoch: member.epoch, clientId: member.clientId, clientHost: member.clientHost },
        subscribedTopicNames: member.topicNames,
        subscribedTopicRegex: member.pattern?.source ?? null,
        assignment: named(member.assigned),
        targetAssignment: named(this.#targets.get(member.memberId) ?? new PartitionSet()),
      })),
    };
  }

  // ---- records and memory ------------------------------------------------------------------

  #key(kind: GroupKeyKind): Uint8Array {
    return encodeKey({ kind, group: this.groupId });
  }

  #memberKey(kind: MemberKeyKind, member: string): Uint8Array {
    return encodeKey({ kind, group: this.groupId, member });
  }

  #memberRecord(member: Member): { readonly key: Uint8Array; readonly value: Uint8Array } {
    return { key: this.#memberKey("consumerMember", member.memberId), value: encodeConsumerMember(valueOf(member)) };
  }

  #targetRecord(memberId: string, target: PartitionSet): GroupRecord {
    return { key: this.#memberKey("targetMember", memberId), value: encodeTarget(target) };
  }

  #currentRecord(member: Member): GroupRecord {
    const { memberId, epoch, previousEpoch, state, assigned, revoking } = member;
    return {
      key: this.#memberKey("currentMember", memberId),
      value: encodeCurrent({ memberEpoch: epoch, previousMemberEpoch: previousEpoch, state, assigned, revoking }),
    };
  }

  #tombstones(memberId: string): GroupRecord[] {
    const kinds = ["currentMember", "targetMember", "consumerMember"] as const;
    return kinds.map((kind) => ({ key: this.#memberKey(kind, memberId), value: null }));
  }

  /** What removes an empty group from the log. */
  tombstones(): GroupRecord[] {
    const kinds = ["targetEpoch", "consumerTopics", "consumerGroup"] as const;
    return kinds.map((kind) => ({ key: this.#key(kind), value: null }));
  }

  #checkBytes(moreBytes: number): void {
    const { memory } = this.#environment;
    if (moreBytes <= 0) return;
    if (this.#usedBytes + moreBytes > maxGroupBytes) {
      throw refusal(
        "MESSAGE_TOO_LARGE",
        `subscriptions of group '${this.groupId}' would take more than ${maxGroupBytes} bytes`,
      );
    }
    if (memory.usedBytes + moreBytes > memory.mostBytes) {
      throw refusal("COORDINATOR_NOT_AVAILABLE", "there is no memory for more members of groups: try again later");
    }
  }

  #take(bytes: number): void {
    this.#usedBytes += bytes;
    this.#environment.memory.usedBytes += bytes;
  }
}

function checkRequest(request: ConsumerGroupHeartbeatRequest): void {
  const { memberId, memberEpoch, instanceId = null, rebalanceTimeoutMs = -1, serverAssignor = null } = request;
  const bad = (problem: string): Error => refusal("INVALID_REQUEST", problem);
  requireShort("member id", memberId);
  requireShort("instance id", instanceId);
  requireShort("rack id", request.rackId);
  requireShort("client id", request.clientId);
  requireShort("client's host", request.clientHost);
  if (instanceId === "") throw bad("the instance id is empty");
  if (request.rackId === "") throw bad("the rack id is empty");
  if (!Number.isInteger(memberEpoch) || memberEpoch < staticLeaveEpoch) throw bad(`${memberEpoch} is no member epoch`);
  if (memberEpoch !== joinEpoch && memberId === "") throw bad("the member id is empty");
  if (memberEpoch === staticLeaveEpoch && instanceId === null)
    throw bad("a member without an instance id left with -2");
  if (serverAssignor !== null && !assignors.has(serverAssignor)) {
    const known = [...assignors.keys()].join(" and ");
    throw refusal("UNSUPPORTED_ASSIGNOR", `there is no assignor '${serverAssignor}' here: known are ${known}`);
  }
  if (sizeOfRequest(request) > maxSubscriptionBytes)
    throw bad(`a subscription of more than ${maxSubscriptionBytes} bytes`);
  if (memberEpoch !== joinEpoch) return;
  if (rebalanceTimeoutMs < 0) throw bad("a member that joins says its rebalance timeout");
  if ((request.topicPartitions?.length ?? 0) > 0) throw bad("a member that joins has no partitions yet");
  if (request.subscribedTopicNames == null && request.subscribedTopicRegex == null) {
    throw bad("a member that joins says what it is subscribed to");
  }
}

/** null: it does not say. Who joins has nothing. */
function ownedBy({ memberEpoch, topicPartitions }: ConsumerGroupHeartbeatRequest): PartitionSet | null {
  if (memberEpoch === joinEpoch) return new PartitionSet();
  return topicPartitions == null ? null : PartitionSet.from(topicPartitions);
}

/** Says everything about itself, as after an answer that was lost. */
function isFull(request: ConsumerGroupHeartbeatRequest): boolean {
  return (
    request.topicPartitions != null &&
    (request.rebalanceTimeoutMs ?? -1) !== -1 &&
    (request.subscribedTopicNames != null || request.subscribedTopicRegex != null)
  );
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

function valueOf(member: Member): ConsumerMemberValue {
  const { instanceId, rackId, clientId, clientHost, topicNames, pattern, rebalanceTimeoutMs, serverAssignor } = member;
  const topicRegex = pattern?.source ?? null;
  return { instanceId, rackId, clientId, clientHost, topicNames, topicRegex, rebalanceTimeoutMs, serverAssignor };
}

function sizeOf({ memberId, topicNames, pattern }: Member): number {
  let sizeBytes = memberId.length + (pattern?.source.length ?? 0);
  for (const name of topicNames) sizeBytes += name.length + 8;
  return sizeBytes;
}

function sizeOfRequest({ memberId, subscribedTopicNames }: ConsumerGroupHeartbeatRequest): number {
  let sizeBytes = memberId.length;
  for (const name of subscribedTopicNames ?? []) sizeBytes += name.length + 8;
  return sizeBytes;
}

/** Another Kafka took it, and may know more of RE2 than we do: then it matches nothing. */
function readablePattern(source: string): TopicPattern {
  try {
    return compileTopicPattern(source);
  } catch {
    return { source, matches: () => false };
  }
}
