// A group of the classic protocol: its members, its generation, and who waits for what.
//
//   Empty ──join──▶ PreparingRebalance ──all joined, or time is up──▶ CompletingRebalance
//     ▲                ▲        │ nobody left                            │ the leader's assignment is durable
//     └────────────────┼────────┘                                        ▼
//                      └── a join, a leave, a session that ends ────── Stable
//
// Owns: the steps of JoinGroup, SyncGroup, Heartbeat and LeaveGroup; sessions; static members
//   (KIP-345); the fencing of commits. Metadata and assignments pass through: cooperative
//   rebalancing is the clients' affair.
// Never: reads or writes bytes (classic-value.ts), finds groups (coordinator.ts), keeps offsets.
//
// Invariants: every reply that is taken is called once, at the latest by `dissolve`. A generation's
//   assignments are durable before anyone hears of them, so that a crash gives none of them twice.
//   Only a generation's own members may sync or commit in it.

import type { MoldauError } from "../errors.ts";
import { maxGroupBytes, maxProtocolsPerMember } from "../limits.ts";
import { type ClassicGroupValue, encodeClassicGroup } from "./classic-value.ts";
import { subscriptionTopics } from "./consumer-protocol.ts";
import type { Deadline } from "./deadline.ts";
import {
  createDeadline,
  type GroupEnvironment,
  MemberIdRequiredError,
  refusal,
  requireShort,
  unknownMember,
} from "./environment.ts";
import { encodeKey } from "./record-keys.ts";
import type {
  ClassicGroupState,
  DescribedGroup,
  GroupProtocol,
  HeartbeatRequest,
  JoinGroupRequest,
  JoinGroupResult,
  LeavingMember,
  SyncGroupRequest,
  SyncGroupResult,
} from "./types.ts";

/** Called once. */
export type Reply<Result> = (outcome: Result | MoldauError) => void;

interface Member {
  memberId: string;
  readonly instanceId: string | null;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocols: readonly GroupProtocol[];
  assignment: Uint8Array;
  /** Has not been through a rebalance yet. */
  isNew: boolean;
  joining: Reply<JoinGroupResult> | null;
  syncing: Reply<SyncGroupResult> | null;
  readonly session: Deadline;
}

const noBytes = new Uint8Array(0);

export class ClassicGroup {
  readonly type = "classic";
  readonly groupId: string;
  readonly #environment: GroupEnvironment;
  #state: ClassicGroupState = "Empty";
  #stateTimestamp: number;
  #generationId = 0;
  /** null for a group that only has offsets. */
  #protocolType: string | null = null;
  #protocolName: string | null = null;
  #leader: string | null = null;
  readonly #members: Map<string, Member> = new Map();
  /** Member ids by instance id. */
  readonly #instances: Map<string, string> = new Map();
  /** Members by each protocol that they offer. */
  readonly #support: Map<string, number> = new Map();
  /** Ids given out to newcomers who have not come back yet. */
  readonly #pending: Map<string, Deadline> = new Map();
  /** Members of this generation who have not synced. */
  readonly #unsynced: Set<string> = new Set();
  /** Waits for joins while preparing, for syncs after it. */
  readonly #rebalance: Deadline;
  /** Milliseconds that the first rebalance may still be prolonged by; null when it is no first one. */
  #initialLeftMs: number | null = null;
  #newMemberAdded = false;
  #storingGeneration = -1;
  #usedBytes = 0;

  constructor(groupId: string, environment: GroupEnvironment) {
    this.groupId = groupId;
    this.#environment = environment;
    this.#stateTimestamp = environment.now();
    this.#rebalance = createDeadline(environment, () => this.#rebalanceTimedOut());
  }

  /** As it was stored; sessions begin anew. */
  static restore(groupId: string, environment: GroupEnvironment, value: ClassicGroupValue): ClassicGroup {
    const group = new ClassicGroup(groupId, environment);
    group.#generationId = value.generationId;
    group.#protocolType = value.protocolType === "" ? null : value.protocolType;
    group.#protocolName = value.protocolName;
    for (const stored of value.members) {
      const { memberId, instanceId, clientId, clientHost, sessionTimeoutMs, assignment } = stored;
      const rebalanceTimeoutMs = stored.rebalanceTimeoutMs < 0 ? sessionTimeoutMs : stored.rebalanceTimeoutMs;
      const protocols = [{ name: value.protocolName ?? "", metadata: stored.subscription }];
      const session = createDeadline(environment, () => group.#sessionEnded(member));
      const member: Member = {
        ...{ memberId, instanceId, clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs, protocols, assignment },
        ...{ isNew: false, joining: null, syncing: null, session },
      };
      group.#take(assignment.length);
      group.#insert(member);
      member.session.set(sessionTimeoutMs);
    }
    group.#leader = value.leader !== null && group.#members.has(value.leader) ? value.leader : group.#firstMember();
    group.#state = group.#members.size === 0 ? "Empty" : "Stable";
    // An old broker stored no time: what was committed since then says more than this start.
    group.#stateTimestamp = value.stateTimestamp;
    return group;
  }

  get state(): ClassicGroupState {
    return this.#state;
  }

  get isEmpty(): boolean {
    return this.#state === "Empty";
  }

  get generationId(): number {
    return this.#generationId;
  }

  get protocolType(): string | null {
    return this.#protocolType;
  }

  /** When the state was entered; -1 unknown. */
  get stateTimestamp(): number {
    return this.#stateTimestamp;
  }

  get memberCount(): number {
    return this.#members.size;
  }

  /** Nothing to keep in memory but what is stored. */
  get isIdle(): boolean {
    return this.#state === "Empty" && this.#pending.size === 0;
  }

  // ---- JoinGroup ---------------------------------------------------------------------------

  /** Throws for a join that is refused at once; else `reply` hears of the generation it led to. */
  join(request: JoinGroupRequest, reply: Reply<JoinGroupResult>): void {
    const { groupInstanceId: instanceId = null, memberId } = request;
    this.#checkJoin(request);
    if (memberId !== "") {
      this.#joinKnown(request, reply);
      return;
    }
    const newId = `${instanceId ?? (request.clientId || "member")}-${this.#environment.createId()}`;
    if (instanceId !== null) {
      const before = this.#instances.get(instanceId);
      if (before === undefined) this.#add(newId, request, reply);
      else this.#replaceStatic(this.#members.get(before)!, newId, request, reply);
    } else if (request.requireKnownMemberId === true) {
      const expiry = createDeadline(this.#environment, () => this.#pendingEnded(newId));
      this.#pending.set(newId, expiry);
      expiry.set(request.sessionTimeoutMs);
      throw new MemberIdRequiredError(newId);
    } else this.#add(newId, request, reply);
  }

  #checkJoin(request: JoinGroupRequest): void {
    const { memberId, groupInstanceId: instanceId = null, protocolType, protocols, sessionTimeoutMs } = request;
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#environment.options;
    requireShort("member id", memberId);
    requireShort("instance id", instanceId);
    requireShort("client id", request.clientId);
    requireShort("client's host", request.clientHost);
    requireShort("protocol type", protocolType);
    if (!(sessionTimeoutMs >= minSessionTimeoutMs && sessionTimeoutMs <= maxSessionTimeoutMs)) {
      throw refusal(
        "INVALID_SESSION_TIMEOUT",
        `a session timeout of ${sessionTimeoutMs} ms: allowed is ${minSessionTimeoutMs} to ${maxSessionTimeoutMs}`,
      );
    }
    if (protocols.length > maxProtocolsPerMember) {
      throw refusal("INVALID_REQUEST", `${protocols.length} protocols: at most ${maxProtocolsPerMember} are taken`);
    }
    if (!this.#accepts(request)) {
      const { maxSize } = this.#environment.options;
      throw refusal("GROUP_MAX_SIZE_REACHED", `group '${this.groupId}' has ${maxSize} members, as many as it may`);
    }
    const currentId = instanceId === null ? memberId : (this.#instances.get(instanceId) ?? memberId);
    if (!this.#supports(currentId, protocolType, protocols)) {
      throw refusal(
        "INCONSISTENT_GROUP_PROTOCOL",
        `the members of group '${this.groupId}' speak no common protocol of '${protocolType}' with this one`,
      );
    }
  }

  #accepts({ memberId, groupInstanceId: instanceId = null }: JoinGroupRequest): boolean {
    if (this.#members.has(memberId) || (instanceId !== null && this.#instances.has(instanceId))) return true;
    const { maxSize } = this.#environment.options;
    const isPending = this.#pending.has(memberId);
    return this.#members.size < maxSize && (isPending || this.#pending.size < maxSize);
  }

  #supports(memberId: string, protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (protocolType === "" || protocols.length === 0) return false;
    const current = this.#members.get(memberId);
    const others = this.#members.size - (current === undefined ? 0 : 1);
    if (others === 0) return true;
    if (protocolType !== this.#protocolType) return false;
    return protocols.some(({ name }) => {
      const own = current?.protocols.some((protocol) => protocol.name === name) ? 1 : 0;
      return (this.#support.get(name) ?? 0) - own === others;
    });
  }

  #joinKnown(request: JoinGroupRequest, reply: Reply<JoinGroupResult>): void {
    const { memberId, groupInstanceId: instanceId = null } = request;
    const pending = this.#pending.get(memberId);
    if (pending !== undefined && instanceId === null) {
      // Taken first: a refusal leaves the id as it is.
      this.#checkBytes(sizeOfProtocols(request.protocols));
      pending.clear();
      this.#pending.delete(memberId);
      this.#add(memberId, request, reply);
      return;
    }
    const member = this.#member(memberId, instanceId);
    const isUnchanged = this.#hasSameProtocols(member, request.protocols);
    const isCurrent =
      isUnchanged &&
      (this.#state === "CompletingRebalance" || (this.#state === "Stable" && member.memberId !== this.#leader));
    if (isCurrent) {
      // It has missed the answer to its last join.
      this.#heard(member);
      reply(this.#joined(member));
      return;
    }
    this.#update(member, request);
    member.joining?.(refusal("REBALANCE_IN_PROGRESS", "the member has sent another join since"));
    member.joining = reply;
    this.#heard(member);
    this.#prepareOrContinue();
  }

  #hasSameProtocols(member: Member, protocols: readonly GroupProtocol[]): boolean {
    return (
      member.protocols.length === protocols.length &&
      member.protocols.every(({ name, metadata }, place) => {
        const other = protocols[place]!;
        return name === other.name && sameBytes(metadata, other.metadata);
      })
    );
  }

  #add(memberId: string, request: JoinGroupRequest, reply: Reply<JoinGroupResult>): void {
    const { groupInstanceId: instanceId = null, protocols } = request;
    this.#checkBytes(sizeOfProtocols(protocols));
    const session = createDeadline(this.#environment, () => this.#sessionEnded(member));
    const member: Member = {
      ...{ memberId, instanceId, protocols, assignment: noBytes, isNew: true, joining: reply, syncing: null, session },
      clientId: request.clientId ?? "",
      clientHost: request.clientHost ?? "",
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: rebalanceTimeoutOf(request),
    };
    if (this.#members.size === 0) this.#protocolType = request.protocolType;
    this.#insert(member);
    this.#leader ??= memberId;
    // No heartbeats come while a join waits; only a newcomer is not known to be alive.
    session.set(this.#environment.options.newMemberJoinTimeoutMs);
    this.#newMemberAdded = true;
    this.#prepareOrContinue();
  }

  #update(member: Member, request: JoinGroupRequest): void {
    this.#checkBytes(sizeOfProtocols(request.protocols) - sizeOfProtocols(member.protocols));
    this.#countSupport(member, -1);
    member.protocols = request.protocols;
    this.#countSupport(member, 1);
    member.clientId = request.clientId ?? "";
    member.clientHost = request.clientHost ?? "";
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    member.rebalanceTimeoutMs = rebalanceTimeoutOf(request);
    if (this.#members.size === 1) this.#protocolType = request.protocolType;
  }

  #replaceStatic(member: Member, newId: string, request: JoinGroupRequest, reply: Reply<JoinGroupResult>): void {
    const oldId = member.memberId;
    const oldLeader = this.#leader;
    const selectedBefore = metadataOf(member, this.#protocolName);
    this.#update(member, request);
    const fenced = (): MoldauError => fencedInstance(this.groupId, member.instanceId!, oldId);
    member.joining?.(fenced());
    member.joining = null;
    member.syncing?.(fenced());
    member.syncing = null;
    this.#rename(member, newId);
    this.#heard(member);
    const staysStable =
      this.#state === "Stable" &&
      this.#selectProtocol() === this.#protocolName &&
      sameSubscription(selectedBefore, metadataOf(member, this.#protocolName), this.#protocolType);
    if (!staysStable) {
      member.joining = reply;
      this.#prepareOrContinue();
      return;
    }
    const isLeader = this.#leader === newId;
    const skips = request.supportsSkippingAssignment === true;
    this.#environment.persist([this.#record()], (failure) => {
      if (failure !== null) {
        reply(failure);
        return;
      }
      // A client that cannot be told to skip the assignment is told that another leads: a stable
      // group would not hand out what it assigns.
      const leader = skips ? (this.#leader ?? newId) : (oldLeader ?? newId);
      reply({ ...this.#joined(member, skips && isLeader), leader, skipAssignment: skips && isLeader });
    });
  }

  #rename(member: Member, newId: string): void {
    const oldId = member.memberId;
    // In its old place: the order of members is the order of the leaders to come.
    const members = [...this.#members.values()];
    member.memberId = newId;
    this.#members.clear();
    for (const one of members) this.#members.set(one.memberId, one);
    this.#instances.set(member.instanceId!, newId);
    if (this.#leader === oldId) this.#leader = newId;
    if (this.#unsynced.delete(oldId)) this.#unsynced.add(newId);
  }

  // ---- the rebalance -----------------------------------------------------------------------

  #prepareOrContinue(): void {
    if (this.#state === "PreparingRebalance") this.#completeWhenJoined();
    else this.#prepare();
  }

  #prepare(): void {
    if (this.#state === "CompletingRebalance") {
      this.#failSyncs(refusal("REBALANCE_IN_PROGRESS", `group '${this.groupId}' rebalances anew: join again`));
    }
    const isFirst = this.#state === "Empty";
    this.#unsynced.clear();
    this.#environment.counts.rebalances += 1;
    this.#transition("PreparingRebalance");
    const { initialRebalanceDelayMs } = this.#environment.options;
    if (isFirst && initialRebalanceDelayMs > 0) {
      this.#newMemberAdded = false;
      this.#initialLeftMs = Math.max(0, this.#rebalanceTimeoutMs() - initialRebalanceDelayMs);
      this.#rebalance.set(initialRebalanceDelayMs);
      return;
    }
    this.#rebalance.clear();
    this.#rebalance.set(this.#rebalanceTimeoutMs());
    this.#completeWhenJoined();
  }

  #rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.#members.values()) longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  #rebalanceTimedOut(): void {
    if (this.#state === "PreparingRebalance") {
      const left = this.#initialLeftMs;
      if (left !== null && this.#newMemberAdded && left > 0) {
        this.#newMemberAdded = false;
        const delayMs = Math.min(this.#environment.options.initialRebalanceDelayMs, left);
        this.#initialLeftMs = left - delayMs;
        this.#rebalance.set(delayMs);
        return;
      }
      this.#completeJoins();
    } else if (this.#unsynced.size > 0) {
      // They have joined and then been silent.
      for (const memberId of [...this.#unsynced]) this.#remove(this.#members.get(memberId)!);
      this.#prepare();
    }
  }

  #completeWhenJoined(): void {
    if (this.#initialLeftMs !== null || this.#pending.size > 0) return;
    for (const { joining } of this.#members.values()) if (joining === null) return;
    this.#completeJoins();
  }

  #completeJoins(): void {
    this.#rebalance.clear();
    this.#initialLeftMs = null;
    for (const member of [...this.#members.values()]) {
      // A static member keeps its place until its session ends.
      if (member.joining === null && member.instanceId === null) this.#remove(member);
    }
    if (this.#members.size > 0 && !this.#electLeader()) {
      this.#rebalance.set(this.#rebalanceTimeoutMs());
      return;
    }
    this.#generationId += 1;
    if (this.#members.size === 0) {
      this.#protocolName = null;
      this.#leader = null;
      this.#transition("Empty");
      this.#environment.persist([this.#record()], () => {});
      return;
    }
    this.#protocolName = this.#selectProtocol();
    this.#transition("CompletingRebalance");
    for (const member of this.#members.values()) {
      member.isNew = false;
      this.#unsynced.add(member.memberId);
    }
    this.#rebalance.set(this.#rebalanceTimeoutMs());
    for (const member of [...this.#members.values()]) {
      if (member.joining === null) continue;
      const reply = member.joining;
      member.joining = null;
      member.session.clear();
      this.#heard(member);
      reply(this.#joined(member));
    }
  }

  /** The leader must be one who hears of it; false when nobody has joined. */
  #electLeader(): boolean {
    const leader = this.#leader === null ? undefined : this.#members.get(this.#leader);
    if (leader !== undefined && leader.joining !== null) return true;
    for (const member of this.#members.values()) {
      if (member.joining === null) continue;
      this.#leader = member.memberId;
      return true;
    }
    return false;
  }

  /** Every member votes for the first of its protocols that all offer; most votes win, then who voted first. */
  #selectProtocol(): string {
    const votes = new Map<string, number>();
    for (const { protocols } of this.#members.values()) {
      const vote = protocols.find(({ name }) => this.#support.get(name) === this.#members.size);
      if (vote !== undefined) votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1);
    }
    let chosen = "";
    let most = 0;
    for (const [name, count] of votes) {
      if (count <= most) continue;
      chosen = name;
      most = count;
    }
    return chosen;
  }

  #joined(member: Member, showsMembers: boolean = member.memberId === this.#leader): JoinGroupResult {
    const members = showsMembers ? [...this.#members.values()] : [];
    return {
      memberId: member.memberId,
      generationId: this.#generationId,
      protocolType: this.#protocolType ?? "",
      protocolName: this.#protocolName ?? "",
      leader: this.#leader ?? "",
      skipAssignment: false,
      members: members.map((one) => ({
        memberId: one.memberId,
        groupInstanceId: one.instanceId,
        metadata: metadataOf(one, this.#protocolName),
      })),
    };
  }

  // ---- SyncGroup ---------------------------------------------------------------------------

  /** Throws for a sync that is refused at once; else `reply` hears of the assignment. */
  sync(request: SyncGroupRequest, reply: Reply<SyncGroupResult>): void {
    const { protocolType = null, protocolName = null } = request;
    const member = this.#memberOf(request);
    if (
      (protocolType !== null && protocolType !== this.#protocolType) ||
      (protocolName !== null && protocolName !== this.#protocolName)
    ) {
      throw refusal(
        "INCONSISTENT_GROUP_PROTOCOL",
        `group '${this.groupId}' speaks '${this.#protocolName}' of '${this.#protocolType}'`,
      );
    }
    if (this.#state === "Stable") {
      this.#heard(member);
      this.#unsynced.delete(member.memberId);
      reply(this.#synced(member));
      return;
    }
    if (this.#state !== "CompletingRebalance") throw this.#rebalancing();
    if (member.memberId === this.#leader) this.#checkAssignments(request);
    member.syncing?.(refusal("REBALANCE_IN_PROGRESS", "the member has sent another sync since"));
    member.syncing = reply;
    this.#unsynced.delete(member.memberId);
    this.#heard(member);
    if (member.memberId === this.#leader && this.#storingGeneration !== this.#generationId) this.#store(request);
  }

  #checkAssignments({ assignments }: SyncGroupRequest): void {
    let sizeBytes = 0;
    for (const { assignment } of assignments) sizeBytes += assignment.length;
    for (const { assignment } of this.#members.values()) sizeBytes -= assignment.length;
    this.#checkBytes(sizeBytes);
  }

  #store({ assignments }: SyncGroupRequest): void {
    const generationId = this.#generationId;
    const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
    this.#storingGeneration = generationId;
    const record = this.#record((member) => byMember.get(member.memberId) ?? noBytes, this.#environment.now());
    this.#environment.persist([record], (failure) => {
      if (this.#storingGeneration === generationId) this.#storingGeneration = -1;
      if (this.#state !== "CompletingRebalance" || this.#generationId !== generationId) return;
      if (failure !== null) {
        this.#failSyncs(failure);
        this.#prepare();
        return;
      }
      this.#transition("Stable");
      for (const member of [...this.#members.values()]) {
        const assignment = byMember.get(member.memberId) ?? noBytes;
        this.#take(assignment.length - member.assignment.length);
        member.assignment = assignment;
        const reply = member.syncing;
        member.syncing = null;
        if (reply === null) continue;
        this.#heard(member);
        reply(this.#synced(member));
      }
    });
  }

  #synced(member: Member): SyncGroupResult {
    return {
      protocolType: this.#protocolType ?? "",
      protocolName: this.#protocolName ?? "",
      assignment: member.assignment,
    };
  }

  #failSyncs(error: MoldauError): void {
    for (const member of this.#members.values()) {
      this.#take(-member.assignment.length);
      member.assignment = noBytes;
      const reply = member.syncing;
      member.syncing = null;
      reply?.(error);
    }
  }

  // ---- Heartbeat, LeaveGroup, commits ------------------------------------------------------

  heartbeat(request: HeartbeatRequest): void {
    const member = this.#memberOf(request);
    this.#heard(member);
    if (this.#state === "PreparingRebalance") throw this.#rebalancing();
  }

  /** The id of who left. Throws UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID. */
  leave({ memberId, groupInstanceId: instanceId = null }: LeavingMember): void {
    const pending = this.#pending.get(memberId);
    if (pending !== undefined && instanceId === null) {
      pending.clear();
      this.#pendingEnded(memberId);
      return;
    }
    const id = memberId === "" && instanceId !== null ? (this.#instances.get(instanceId) ?? "") : memberId;
    this.#evict(this.#member(id, instanceId));
  }

  /** Throws unless an offset may be committed by this member, or from outside. */
  checkCommit(generationId: number, memberId: string, instanceId: string | null): void {
    if (generationId < 0 && memberId === "" && instanceId === null) {
      if (this.#state === "Empty") return;
      throw refusal(
        "UNKNOWN_MEMBER_ID",
        `group '${this.groupId}' has members: only they commit, or others once it is empty`,
      );
    }
    const member = this.#memberOf({ groupId: this.groupId, generationId, memberId, groupInstanceId: instanceId });
    if (this.#state === "CompletingRebalance") throw this.#rebalancing();
    this.#heard(member);
  }

  #memberOf({ generationId, memberId, groupInstanceId: instanceId = null }: HeartbeatRequest): Member {
    const member = this.#member(memberId, instanceId);
    if (generationId !== this.#generationId) {
      throw refusal(
        "ILLEGAL_GENERATION",
        `group '${this.groupId}' is in generation ${this.#generationId}, not ${generationId}: join again`,
      );
    }
    return member;
  }

  #member(memberId: string, instanceId: string | null): Member {
    if (instanceId !== null) {
      const current = this.#instances.get(instanceId);
      if (current === undefined) throw unknownMember(this.groupId, memberId);
      if (current !== memberId) throw fencedInstance(this.groupId, instanceId, memberId);
    }
    const member = this.#members.get(memberId);
    if (member === undefined) throw unknownMember(this.groupId, memberId);
    return member;
  }

  #rebalancing(): MoldauError {
    return refusal("REBALANCE_IN_PROGRESS", `group '${this.groupId}' is rebalancing: join again`);
  }

  // ---- sessions and membership -------------------------------------------------------------

  #heard(member: Member): void {
    if (!member.isNew) member.session.set(member.sessionTimeoutMs);
  }

  #sessionEnded(member: Member): void {
    if (this.#members.get(member.memberId) !== member) return;
    // Who waits for us cannot send heartbeats.
    if (!member.isNew && (member.joining !== null || member.syncing !== null)) {
      member.session.set(member.sessionTimeoutMs);
      return;
    }
    this.#evict(member);
  }

  #evict(member: Member): void {
    this.#remove(member);
    if (this.#state === "Stable" || this.#state === "CompletingRebalance") this.#prepare();
    else if (this.#state === "PreparingRebalance") this.#completeWhenJoined();
  }

  #pendingEnded(memberId: string): void {
    this.#pending.delete(memberId);
    if (this.#state === "PreparingRebalance") this.#completeWhenJoined();
  }

  #insert(member: Member): void {
    this.#take(sizeOfProtocols(member.protocols));
    this.#members.set(member.memberId, member);
    if (member.instanceId !== null) this.#instances.set(member.instanceId, member.memberId);
    this.#countSupport(member, 1);
  }

  #remove(member: Member): void {
    const { memberId, instanceId } = member;
    member.session.clear();
    this.#members.delete(memberId);
    if (instanceId !== null) this.#instances.delete(instanceId);
    this.#countSupport(member, -1);
    this.#unsynced.delete(memberId);
    if (this.#leader === memberId) this.#leader = this.#firstMember();
    this.#take(-sizeOfProtocols(member.protocols) - member.assignment.length);
    const gone = unknownMember(this.groupId, memberId);
    member.joining?.(gone);
    member.joining = null;
    member.syncing?.(gone);
    member.syncing = null;
  }

  #firstMember(): string | null {
    for (const memberId of this.#members.keys()) return memberId;
    return null;
  }

  #countSupport(member: Member, change: 1 | -1): void {
    for (const name of new Set(member.protocols.map((protocol) => protocol.name))) {
      const count = (this.#support.get(name) ?? 0) + change;
      if (count === 0) this.#support.delete(name);
      else this.#support.set(name, count);
    }
  }

  #transition(state: ClassicGroupState): void {
    this.#state = state;
    this.#stateTimestamp = this.#environment.now();
  }

  #checkBytes(moreBytes: number): void {
    const { memory } = this.#environment;
    if (moreBytes <= 0) return;
    if (this.#usedBytes + moreBytes > maxGroupBytes) {
      throw refusal(
        "MESSAGE_TOO_LARGE",
        `subscriptions and assignments of group '${this.groupId}' would take more than ${maxGroupBytes} bytes`,
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

  /** Ends all waits with this; the group is not used any more. */
  dissolve(why: MoldauError): void {
    for (const member of [...this.#members.values()]) {
      member.joining?.(why);
      member.joining = null;
      member.syncing?.(why);
      member.syncing = null;
      this.#remove(member);
    }
    for (const pending of this.#pending.values()) pending.clear();
    this.#pending.clear();
    this.#rebalance.clear();
    this.#state = "Dead";
  }

  // ---- what others see ---------------------------------------------------------------------

  /** Topics that its consumers are subscribed to; null when that is not known. */
  subscribedTopics(): Set<string> | null {
    if (this.#members.size === 0) return new Set();
    if (this.#protocolType !== "consumer" || this.#protocolName === null) return null;
    const topics = new Set<string>();
    for (const member of this.#members.values()) {
      const own = subscriptionTopics(metadataOf(member, this.#protocolName));
      if (own === null) return null;
      for (const topic of own) topics.add(topic);
    }
    return topics;
  }

  describe(): DescribedGroup {
    const isStable = this.#state === "Stable";
    return {
      groupId: this.groupId,
      groupState: this.#state,
      protocolType: this.#protocolType ?? "",
      protocolData: isStable ? (this.#protocolName ?? "") : "",
      generationId: this.#generationId,
      members: [...this.#members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.instanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: isStable ? metadataOf(member, this.#protocolName) : noBytes,
        memberAssignment: isStable ? member.assignment : noBytes,
      })),
    };
  }

  #record(
    assignmentOf: (member: Member) => Uint8Array = ({ assignment }) => assignment,
    stateTimestamp: number = this.#stateTimestamp,
  ): { readonly key: Uint8Array; readonly value: Uint8Array } {
    const value = encodeClassicGroup({
      protocolType: this.#protocolType ?? "",
      generationId: this.#generationId,
      protocolName: this.#protocolName,
      leader: this.#leader,
      stateTimestamp,
      members: [...this.#members.values()].map((member) => ({
        ...{ memberId: member.memberId, instanceId: member.instanceId },
        ...{ clientId: member.clientId, clientHost: member.clientHost },
        ...{ rebalanceTimeoutMs: member.rebalanceTimeoutMs, sessionTimeoutMs: member.sessionTimeoutMs },
        subscription: metadataOf(member, this.#protocolName),
        assignment: assignmentOf(member),
      })),
    });
    return { key: encodeKey({ kind: "classicGroup", group: this.groupId }), value };
  }
}

function rebalanceTimeoutOf({ rebalanceTimeoutMs = -1, sessionTimeoutMs }: JoinGroupRequest): number {
  return rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs;
}

function metadataOf(member: Member, protocolName: string | null): Uint8Array {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? noBytes;
}

function sizeOfProtocols(protocols: readonly GroupProtocol[]): number {
  let sizeBytes = 0;
  for (const { name, metadata } of protocols) sizeBytes += name.length + metadata.length;
  return sizeBytes;
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** A consumer that starts again says the same topics, but not what it owned before. */
function sameSubscription(one: Uint8Array, other: Uint8Array, protocolType: string | null): boolean {
  if (sameBytes(one, other)) return true;
  if (protocolType !== "consumer") return false;
  const before = subscriptionTopics(one);
  const after = subscriptionTopics(other);
  if (before === null || after === null) return false;
  const sorted = [...new Set(after)].sort();
  return [...new Set(before)].sort().join() === sorted.join();
}

function fencedInstance(groupId: string, instanceId: string, memberId: string): MoldauError {
  return refusal(
    "FENCED_INSTANCE_ID",
    `in group '${groupId}' another member has taken over instance '${instanceId}' from '${memberId}'`,
  );
}
