// The group coordinator's public shapes, close to the protocol's, and what it is handed.
//
// Owns: types. Never: behaviour.
//
// A method rejects with a MoldauError whose code is Kafka's. Where a request is about many things
// (members, partitions, groups) each carries its own `error` instead.

import type { MoldauError } from "../errors.ts";
import type { Clock, Entropy, Logger } from "../port/world.ts";
import type { GroupOptions } from "./options.ts";

// ---- what it is handed ---------------------------------------------------------------------

export interface GroupRecord {
  readonly key: Uint8Array;
  /** null is a tombstone. */
  readonly value: Uint8Array | null;
}

export interface StoredGroupRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** The topic that keeps groups, `__consumer_offsets`. */
export interface GroupLog {
  /** 0 while there is no such topic. */
  partitions(): number;
  /** Makes the topic unless it is there. */
  create(partitions: number): Promise<void>;
  /**
   * One batch. `done` hears once that all of it is durable (null), or why not; of a failure that comes at once, before
   * this returns. An append that begins while another of the partition is under way fails when that one does: what
   * follows may rest on it.
   */
  append(partition: number, records: readonly GroupRecord[], done: (failure: unknown) => void): void;
  /** All records up to the high watermark as of the call, some at a time. */
  read(partition: number): AsyncGenerator<readonly StoredGroupRecord[], void, void>;
}

export interface TopicMetadata {
  readonly name: string;
  /** 32 hex digits. */
  readonly id: string;
  readonly partitions: number;
  /** The broker's own: no expression of topics is about it. */
  readonly internal?: boolean;
}

export interface TopicsView {
  find(name: string): TopicMetadata | undefined;
  all(): Iterable<TopicMetadata>;
}

export interface GroupTimers {
  after(delayMs: number, run: () => void): { cancel(): void };
}

export interface GroupsContext {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly timers: GroupTimers;
  readonly log: GroupLog;
  readonly topics: TopicsView;
  readonly options: GroupOptions;
}

// ---- the classic protocol ------------------------------------------------------------------

export interface GroupProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

/** Who sends, for descriptions and member ids. */
export interface GroupClient {
  readonly clientId?: string;
  readonly clientHost?: string;
}

export interface JoinGroupRequest extends GroupClient {
  readonly groupId: string;
  readonly sessionTimeoutMs: number;
  /** The session timeout when absent or -1. */
  readonly rebalanceTimeoutMs?: number;
  /** "" for a newcomer. */
  readonly memberId: string;
  readonly groupInstanceId?: string | null;
  readonly protocolType: string;
  readonly protocols: readonly GroupProtocol[];
  /** A newcomer is given its id first (MemberIdRequiredError) and joins with it: JoinGroup 4 and later. */
  readonly requireKnownMemberId?: boolean;
  /** The client understands `skipAssignment`: JoinGroup 9 and later. */
  readonly supportsSkippingAssignment?: boolean;
}

export interface JoinGroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Uint8Array;
}

export interface JoinGroupResult {
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolType: string;
  readonly protocolName: string;
  readonly leader: string;
  readonly skipAssignment: boolean;
  /** For the leader; empty for the others. */
  readonly members: readonly JoinGroupMember[];
}

export interface SyncGroupRequest {
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId?: string | null;
  readonly protocolType?: string | null;
  readonly protocolName?: string | null;
  /** From the leader. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

export interface SyncGroupResult {
  readonly protocolType: string;
  readonly protocolName: string;
  readonly assignment: Uint8Array;
}

export interface HeartbeatRequest {
  readonly groupId: string;
  readonly generationId: number;
  readonly memberId: string;
  readonly groupInstanceId?: string | null;
}

export interface LeavingMember {
  /** "" for whoever has the instance id. */
  readonly memberId: string;
  readonly groupInstanceId?: string | null;
}

export interface LeaveGroupRequest {
  readonly groupId: string;
  readonly members: readonly LeavingMember[];
}

export interface LeftMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly error?: MoldauError;
}

// ---- the consumer protocol (KIP-848) -------------------------------------------------------

export interface TopicPartitions {
  /** 32 hex digits. */
  readonly topicId: string;
  readonly partitions: readonly number[];
}

export interface NamedTopicPartitions extends TopicPartitions {
  readonly topicName: string;
}

/** null and absent: unchanged since the last heartbeat. */
export interface ConsumerGroupHeartbeatRequest extends GroupClient {
  readonly groupId: string;
  /** The client's own (version 1), or "" when joining in version 0. */
  readonly memberId: string;
  /** 0 joins, -1 leaves, -2 leaves for a while (static members). */
  readonly memberEpoch: number;
  readonly instanceId?: string | null;
  readonly rackId?: string | null;
  readonly rebalanceTimeoutMs?: number; // -1
  readonly subscribedTopicNames?: readonly string[] | null;
  /** Matches whole names (topic-pattern.ts). */
  readonly subscribedTopicRegex?: string | null;
  readonly serverAssignor?: string | null;
  /** What the member has. */
  readonly topicPartitions?: readonly TopicPartitions[] | null;
}

export interface ConsumerGroupHeartbeatResult {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** null: unchanged. */
  readonly assignment: readonly TopicPartitions[] | null;
}

// ---- committed offsets ---------------------------------------------------------------------

export interface OffsetCommitPartition {
  readonly partitionIndex: number;
  readonly committedOffset: number;
  readonly committedLeaderEpoch?: number; // -1
  readonly committedMetadata?: string | null;
}

export interface OffsetCommitRequest {
  readonly groupId: string;
  /** -1 with an empty member id: from outside of the group, which must have no members. */
  readonly generationIdOrMemberEpoch?: number; // -1
  readonly memberId?: string;
  readonly groupInstanceId?: string | null;
  /** Of OffsetCommit 2 to 4; -1 is the broker's. */
  readonly retentionTimeMs?: number;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly OffsetCommitPartition[] }[];
}

export interface PartitionOutcome {
  readonly partitionIndex: number;
  readonly error?: MoldauError;
}

export interface TopicOutcomes {
  readonly name: string;
  readonly partitions: readonly PartitionOutcome[];
}

export interface OffsetFetchRequest {
  readonly groupId: string;
  readonly memberId?: string | null;
  /** Checked when not negative. */
  readonly memberEpoch?: number; // -1
  /** null: everything that is committed. */
  readonly topics?: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null;
}

export interface FetchedOffset {
  readonly partitionIndex: number;
  /** -1: nothing is committed. */
  readonly committedOffset: number;
  readonly committedLeaderEpoch: number;
  readonly metadata: string;
}

export interface OffsetFetchResult {
  readonly groupId: string;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly FetchedOffset[] }[];
}

export interface OffsetDeleteRequest {
  readonly groupId: string;
  readonly topics: readonly { readonly name: string; readonly partitions: readonly number[] }[];
}

// ---- administration ------------------------------------------------------------------------

export type GroupType = "classic" | "consumer";
export type ClassicGroupState = "Empty" | "PreparingRebalance" | "CompletingRebalance" | "Stable" | "Dead";
export type ConsumerGroupState = "Empty" | "Assigning" | "Reconciling" | "Stable" | "Dead";

export interface ListedGroup {
  readonly groupId: string;
  /** "consumer" for consumers; "" for a group that only has offsets. */
  readonly protocolType: string;
  readonly groupState: ClassicGroupState | ConsumerGroupState;
  readonly groupType: GroupType;
}

export interface ListGroupsRequest {
  /** Of any case; none: all. */
  readonly statesFilter?: readonly string[];
  readonly typesFilter?: readonly string[];
}

export interface DescribedGroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Both empty unless the group is stable. */
  readonly memberMetadata: Uint8Array;
  readonly memberAssignment: Uint8Array;
}

export interface DescribedGroup {
  readonly groupId: string;
  /** GROUP_ID_NOT_FOUND, with a state of Dead: before version 6 it is answered without the error. */
  readonly error?: MoldauError;
  readonly groupState: ClassicGroupState;
  readonly protocolType: string;
  readonly protocolData: string;
  readonly generationId: number;
  readonly members: readonly DescribedGroupMember[];
}

export interface DescribedConsumerGroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly memberEpoch: number;
  readonly clientId: string;
  readonly clientHost: string;
  readonly subscribedTopicNames: readonly string[];
  readonly subscribedTopicRegex: string | null;
  readonly assignment: readonly NamedTopicPartitions[];
  readonly targetAssignment: readonly NamedTopicPartitions[];
}

export interface DescribedConsumerGroup {
  readonly groupId: string;
  readonly error?: MoldauError;
  readonly groupState: ConsumerGroupState;
  readonly groupEpoch: number;
  readonly assignmentEpoch: number;
  readonly assignorName: string;
  readonly members: readonly DescribedConsumerGroupMember[];
}

/** Groups that are in one state. */
export interface GroupsInState {
  readonly groupType: GroupType;
  readonly groupState: ClassicGroupState | ConsumerGroupState;
  readonly count: number;
}

/** As of now, of the groups that have been read from the log. */
export interface GroupMetrics {
  /** States that no group is in are left out. */
  readonly groups: readonly GroupsInState[];
  /** Of all groups. */
  readonly members: number;
  /** One for each partition of each group. */
  readonly committedOffsets: number;
  /** Since the start: classic groups that began to rebalance, and assignments that the broker has made. */
  readonly rebalances: number;
}

export interface GroupOffset {
  readonly groupId: string;
  readonly topic: string;
  readonly partition: number;
  readonly committedOffset: number;
}

export interface DeletedGroup {
  readonly groupId: string;
  readonly error?: MoldauError;
}

/** Groups of consumers: who has which partition, and how far they have come. Errors are MoldauError. */
export interface GroupCoordinator {
  /** Which partition of __consumer_offsets keeps this group. */
  partitionFor(groupId: string): number;
  /** Resolves when everybody has joined, or at the rebalance timeout. May reject with MemberIdRequiredError. */
  joinGroup(request: JoinGroupRequest): Promise<JoinGroupResult>;
  /** Resolves when the leader has assigned, durably. */
  syncGroup(request: SyncGroupRequest): Promise<SyncGroupResult>;
  heartbeat(request: HeartbeatRequest): Promise<void>;
  leaveGroup(request: LeaveGroupRequest): Promise<LeftMember[]>;
  consumerGroupHeartbeat(request: ConsumerGroupHeartbeatRequest): Promise<ConsumerGroupHeartbeatResult>;
  /** Durable when it resolves; OffsetFetch answers with it from then on, not before. */
  commitOffsets(request: OffsetCommitRequest): Promise<TopicOutcomes[]>;
  fetchOffsets(request: OffsetFetchRequest): Promise<OffsetFetchResult>;
  deleteOffsets(request: OffsetDeleteRequest): Promise<TopicOutcomes[]>;
  listGroups(request?: ListGroupsRequest): Promise<ListedGroup[]>;
  describeGroups(groupIds: readonly string[]): Promise<DescribedGroup[]>;
  describeConsumerGroups(groupIds: readonly string[]): Promise<DescribedConsumerGroup[]>;
  deleteGroups(groupIds: readonly string[]): Promise<DeletedGroup[]>;
  metrics(): GroupMetrics;
  /** All committed offsets that are in memory, group by group. To be read at once: nothing may be awaited meanwhile. */
  committedOffsets(): Iterable<GroupOffset>;
}
