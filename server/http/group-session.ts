// One member that the server keeps in its group: it heartbeats, and knows how far its client is.
//
//   start ...... acked ...... position ...... high watermark
//               committed    handed out
//
// Owns: the membership (KIP-848), the positions in its partitions, and when it lets a partition go:
//   once what was handed out of it is committed, or after a while in which it was not.
// Never: reads records (group-fetch.ts), or knows whether its client streams or polls.
//
// Invariants: acked <= position, unless the client committed ahead; a partition that is to go is read
//   no more; another member has it only when the heartbeat after has said so.

import {
  type Broker,
  type Clock,
  type Logger,
  MoldauError,
  type OffsetCommitPartition,
  type TopicPartitions,
  toMoldauError,
} from "../../engine/index.ts";

/** As long as a heartbeat costs no network, often: that is how long a rebalance takes. */
const beatMs = 1000;
const defaultRevokeWaitMs = 10_000;
/** The group's own patience with a revocation, above ours. */
const rebalanceTimeoutMs = 60_000;
const commitAttempts = 3;
/** What a member does about these is to join again. */
const lostCodes: ReadonlySet<string> = new Set(["UNKNOWN_MEMBER_ID", "FENCED_MEMBER_EPOCH", "GROUP_ID_NOT_FOUND"]);

export interface SessionOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Where a partition begins of which nothing is committed, or not any more. */
  readonly reset: "earliest" | "latest";
}

export interface SessionContext {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly revokeWaitMs?: number;
  /** Others of the group may get something now. */
  readonly changed: () => void;
  readonly ended: () => void;
}

/** A partition that the member has. */
export interface Held {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  /** Where its client goes on. */
  position: number;
  /** Where whoever comes after it goes on. */
  acked: number;
  /** Since when it is to go, on the monotonic clock; null: it is not. */
  revokedAt: number | null;
}

export interface Assigned {
  readonly topic: string;
  readonly partitions: readonly number[];
}

export interface OffsetToCommit extends OffsetCommitPartition {
  readonly topic: string;
}

export interface CommitOutcome {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly error?: MoldauError;
}

export class GroupSession {
  readonly group: string;
  readonly topics: readonly string[];
  memberId = "";
  memberEpoch = 0;
  readonly #options: SessionOptions;
  readonly #context: SessionContext;
  /** In the order in which they are looked at. */
  #held: Map<string, Held> = new Map();
  #ended: MoldauError | null = null;
  #leaving: Promise<void> | null = null;
  #beating: Promise<void> | null = null;
  #beatAgain = false;
  #unscheduleBeat: () => void = () => {};
  #unscheduleEnd: () => void = () => {};
  #change: AbortController = new AbortController();

  constructor(options: SessionOptions, context: SessionContext) {
    this.group = options.group;
    this.topics = options.topics;
    this.#options = options;
    this.#context = context;
  }

  /** Fires when the assignment changes or the session ends; another one is there after that. */
  get change(): AbortSignal {
    return this.#change.signal;
  }

  get isEnded(): boolean {
    return this.#ended !== null;
  }

  /** Why it ended, thrown. */
  requireLive(): void {
    if (this.#ended !== null) throw this.#ended;
  }

  /** What may be read, the longest unread first. */
  get readable(): Held[] {
    return [...this.#held.values()].filter(({ revokedAt }) => revokedAt === null);
  }

  /** Whether this very one may still be read. */
  has(held: Held): boolean {
    return held.revokedAt === null && this.#held.get(keyOf(held)) === held;
  }

  /** The next look begins with others. */
  moveToEnd(held: Held): void {
    const key = keyOf(held);
    if (this.#held.get(key) !== held) return;
    this.#held.delete(key);
    this.#held.set(key, held);
  }

  get assignment(): Assigned[] {
    return [...partitionsByTopic(this.readable)]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([topic, partitions]) => ({ topic, partitions: partitions.sort((one, other) => one - other) }));
  }

  /** Records that are there and were not handed out. */
  get lag(): number {
    let lag = 0;
    for (const { topic, partition, position } of this.readable) {
      try {
        lag += Math.max(0, this.#context.broker.offsets(topic, partition).latest - position);
      } catch {
        // offline or deleted: nothing to be read
      }
    }
    return lag;
  }

  // ---- membership --------------------------------------------------------------------------

  async join(): Promise<void> {
    try {
      await this.#beat();
    } catch (thrown) {
      await this.end(toMoldauError(thrown));
      throw thrown;
    }
    this.#awaitBeat();
  }

  /** A heartbeat now. */
  nudge(): void {
    void this.#beatNow();
  }

  /** Leaves the group, once. Resolves when that is durable, or cannot be. */
  end(reason: MoldauError): Promise<void> {
    this.#leaving ??= this.#end(reason);
    return this.#leaving;
  }

  /** Ends it then, unless it is told otherwise before; null: not at all. */
  endAfter(ms: number | null, reason: MoldauError): void {
    this.#unscheduleEnd();
    this.#unscheduleEnd = () => {};
    if (ms === null || this.#ended !== null) return;
    this.#unscheduleEnd = this.#context.clock.schedule(ms, () => void this.end(reason));
  }

  async #end(reason: MoldauError): Promise<void> {
    this.#ended = reason;
    this.#unscheduleBeat();
    this.#unscheduleEnd();
    this.#held.clear();
    this.#signalChange();
    await this.#beating;
    try {
      const { group: groupId, memberId } = this;
      if (memberId !== "") {
        await this.#context.broker.groups.consumerGroupHeartbeat({ groupId, memberId, memberEpoch: -1 });
      }
    } catch {
      // It has gone already, or its session's end will see to it.
    }
    this.#context.ended();
  }

  #awaitBeat(): void {
    this.#unscheduleBeat();
    if (this.#ended !== null) return;
    this.#unscheduleBeat = this.#context.clock.schedule(beatMs, () => void this.#beatNow());
  }

  /** One at a time; what was wished for meanwhile follows. Never rejects. */
  #beatNow(): Promise<void> {
    if (this.#ended !== null) return Promise.resolve();
    if (this.#beating !== null) {
      this.#beatAgain = true;
      return this.#beating;
    }
    const beating = this.#beatGuarded().then(() => {
      this.#beating = null;
      const again = this.#beatAgain;
      this.#beatAgain = false;
      if (again) void this.#beatNow();
      else this.#awaitBeat();
    });
    this.#beating = beating;
    return beating;
  }

  async #beatGuarded(): Promise<void> {
    try {
      await this.#beat();
    } catch (thrown) {
      const error = toMoldauError(thrown);
      if (this.#ended !== null) return;
      if (lostCodes.has(error.code) && this.memberEpoch !== 0) {
        this.#begin();
        this.#beatAgain = true;
      } else if (!error.retriable || error.code === "BROKER_CLOSED") this.#fail(error);
    }
  }

  #fail(error: MoldauError): void {
    this.#context.logger.log("warn", `a member of group '${this.group}' ends: ${error.message}`);
    // Not awaited: this runs inside of the heartbeat that it waits for.
    void this.end(error);
  }

  /** As it was before it joined: all its partitions are others' by now. */
  #begin(): void {
    this.memberEpoch = 0;
    this.#held.clear();
    this.#signalChange();
  }

  async #beat(): Promise<void> {
    const { memberId, memberEpoch, group: groupId, topics } = this;
    const owned = topicPartitions(this.#held.values());
    const result = await this.#context.broker.groups.consumerGroupHeartbeat({
      ...{ groupId, memberId, memberEpoch, rebalanceTimeoutMs, clientId: "http", clientHost: "" },
      subscribedTopicNames: topics,
      topicPartitions: memberEpoch === 0 ? [] : owned,
    });
    this.memberId = result.memberId;
    const isMoved = this.memberEpoch !== result.memberEpoch;
    this.memberEpoch = result.memberEpoch;
    const isChanged = result.assignment !== null && (await this.#take(result.assignment));
    if (isMoved || isChanged) {
      this.#signalChange();
      this.#context.changed();
    }
    this.#letGo();
  }

  /** True when something came or is to go. */
  async #take(assignment: readonly TopicPartitions[]): Promise<boolean> {
    const { broker, clock } = this.#context;
    const wanted = new Set<string>();
    const missing: { topic: string; topicId: string; partition: number }[] = [];
    let isChanged = false;
    for (const { topicId, partitions } of assignment) {
      const topic = broker.topicName(topicId);
      if (topic === null) continue; // deleted: the group will see
      for (const partition of partitions) {
        const key = keyOf({ topicId, partition });
        wanted.add(key);
        const held = this.#held.get(key);
        if (held === undefined) missing.push({ topic, topicId, partition });
        else if (held.revokedAt !== null) {
          held.revokedAt = null;
          isChanged = true;
        }
      }
    }
    for (const [key, held] of this.#held) {
      if (wanted.has(key) || held.revokedAt !== null) continue;
      held.revokedAt = clock.monotonic();
      isChanged = true;
    }
    if (missing.length === 0) return isChanged;
    const starts = await this.#starts(missing);
    if (this.#ended !== null) return false;
    for (const [at, one] of missing.entries()) {
      const start = starts[at]!;
      this.#held.set(keyOf(one), { ...one, position: start, acked: start, revokedAt: null });
    }
    return true;
  }

  async #starts(missing: readonly { readonly topic: string; readonly partition: number }[]): Promise<number[]> {
    const { topics } = await this.#context.broker.groups.fetchOffsets({
      groupId: this.group,
      topics: [...partitionsByTopic(missing)].map(([name, partitionIndexes]) => ({ name, partitionIndexes })),
    });
    const committed = new Map<string, number>();
    for (const { name, partitions } of topics)
      for (const { partitionIndex, committedOffset } of partitions)
        committed.set(`${name} ${partitionIndex}`, committedOffset);
    return missing.map(({ topic, partition }) => {
      const offset = committed.get(`${topic} ${partition}`) ?? -1;
      return offset >= 0 ? offset : this.#resetOffset(topic, partition);
    });
  }

  #resetOffset(topic: string, partition: number): number {
    try {
      return this.#context.broker.offsets(topic, partition)[this.#options.reset];
    } catch {
      return 0; // offline: the fetch resets it when it is back
    }
  }

  /** The position is gone, or was never there: begin anew. */
  reset(held: Held): void {
    held.position = this.#resetOffset(held.topic, held.partition);
    held.acked = held.position;
  }

  // ---- letting go --------------------------------------------------------------------------

  /** Every heartbeat looks, so that nothing waits much longer than it may. */
  #letGo(): void {
    const { clock, revokeWaitMs = defaultRevokeWaitMs } = this.#context;
    const overdueSince = clock.monotonic() - revokeWaitMs;
    let hasGone = false;
    for (const [key, { revokedAt, position, acked }] of this.#held) {
      if (revokedAt === null || (position > acked && revokedAt > overdueSince)) continue;
      this.#held.delete(key);
      hasGone = true;
    }
    if (hasGone) this.nudge();
  }

  #signalChange(): void {
    const before = this.#change;
    this.#change = new AbortController();
    before.abort();
  }

  // ---- commits -----------------------------------------------------------------------------

  /** All that was handed out is the client's. */
  async acknowledge(): Promise<void> {
    const offsets = [...this.#held.values()]
      .filter(({ position, acked }) => position > acked)
      .map(({ topic, partition, position }) => ({ topic, partitionIndex: partition, committedOffset: position }));
    if (offsets.length === 0) return;
    const outcomes = await this.#commitOrRejoin(offsets);
    // It lost everything before that could be committed: whoever has the partitions now hands it out again.
    if (outcomes === null) return;
    for (const { error } of outcomes) {
      // Deleted meanwhile, or another's by now: there is nothing to commit any more.
      if (error === undefined || error.code === "UNKNOWN_TOPIC_OR_PARTITION" || error.code === "STALE_MEMBER_EPOCH")
        continue;
      throw error;
    }
  }

  /** What was handed out and not acknowledged was lost: it is handed out again. */
  rewind(): void {
    for (const held of this.#held.values()) held.position = Math.min(held.position, held.acked);
  }

  /** Only of partitions that the member has, or has not let go yet. */
  async commit(offsets: readonly OffsetToCommit[]): Promise<CommitOutcome[]> {
    const outcomes = await this.#commitOrRejoin(offsets);
    if (outcomes !== null) return outcomes;
    throw new MoldauError(
      "STALE_MEMBER_EPOCH",
      `member '${this.memberId}' was fenced, and has joined anew: what was not committed is handed out again`,
    );
  }

  /** null: the group had it no more. It has joined anew then, as its heartbeat would. */
  async #commitOrRejoin(offsets: readonly OffsetToCommit[]): Promise<CommitOutcome[] | null> {
    for (let attempt = 1; ; attempt += 1) {
      while (this.#beating !== null) await this.#beating;
      this.requireLive();
      const { memberEpoch } = this;
      try {
        return await this.#commit(offsets);
      } catch (thrown) {
        const { code } = toMoldauError(thrown);
        if (lostCodes.has(code)) {
          await this.#rejoin(memberEpoch);
          return null;
        }
        // A heartbeat came between; the member is the same.
        if (code !== "STALE_MEMBER_EPOCH" || attempt === commitAttempts) throw thrown;
      }
    }
  }

  async #rejoin(lostEpoch: number): Promise<void> {
    while (this.#beating !== null) await this.#beating;
    this.requireLive();
    if (this.memberEpoch !== lostEpoch) return;
    this.#begin();
    await this.#beatNow();
    this.requireLive();
  }

  async #commit(offsets: readonly OffsetToCommit[]): Promise<CommitOutcome[]> {
    const { broker } = this.#context;
    const { group: groupId, memberId, memberEpoch: generationIdOrMemberEpoch } = this;
    const byName = new Map([...this.#held.values()].map((held) => [`${held.topic} ${held.partition}`, held]));
    const of = (one: OffsetToCommit): Held | undefined => byName.get(`${one.topic} ${one.partitionIndex}`);
    const own = offsets.filter((one) => of(one) !== undefined);
    const outcomes =
      own.length === 0 ? [] : await commitAs(broker, { groupId, memberId, generationIdOrMemberEpoch }, own);
    const outcomeOf = new Map(own.map((one, at) => [one, outcomes[at]!]));
    const all = offsets.map((one): CommitOutcome => {
      const { topic, partitionIndex: partition, committedOffset: offset } = one;
      const outcome = outcomeOf.get(one);
      if (outcome === undefined) {
        const words = `partition ${partition} of topic '${topic}' is not member '${memberId}'s, or not any more`;
        return { topic, partition, offset, error: new MoldauError("STALE_MEMBER_EPOCH", words) };
      }
      if (outcome.error === undefined) of(one)!.acked = offset;
      return outcome;
    });
    this.#letGo();
    return all;
  }
}

/** Commits, and says of each offset what came of it. */
export async function commitAs(
  broker: Broker,
  committer: {
    readonly groupId: string;
    readonly memberId?: string;
    readonly generationIdOrMemberEpoch?: number;
    readonly groupInstanceId?: string;
  },
  offsets: readonly OffsetToCommit[],
): Promise<CommitOutcome[]> {
  const byTopic = new Map<string, OffsetToCommit[]>();
  for (const one of offsets) {
    const others = byTopic.get(one.topic);
    if (others === undefined) byTopic.set(one.topic, [one]);
    else others.push(one);
  }
  const topics = [...byTopic].map(([name, partitions]) => ({ name, partitions }));
  const outcomes = await broker.groups.commitOffsets({ ...committer, topics });
  const given = new Map<OffsetToCommit, MoldauError | undefined>();
  for (const [at, { partitions }] of outcomes.entries())
    for (const [index, { error }] of partitions.entries()) given.set(topics[at]!.partitions[index]!, error);
  return offsets.map((one) => {
    const error = given.get(one);
    const { topic, partitionIndex: partition, committedOffset: offset } = one;
    return { topic, partition, offset, ...(error === undefined ? {} : { error }) };
  });
}

function partitionsByTopic(
  all: Iterable<{ readonly topic: string; readonly partition: number }>,
): Map<string, number[]> {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition } of all) {
    const partitions = byTopic.get(topic);
    if (partitions === undefined) byTopic.set(topic, [partition]);
    else partitions.push(partition);
  }
  return byTopic;
}

function topicPartitions(held: Iterable<Held>): TopicPartitions[] {
  const byTopic = new Map<string, number[]>();
  for (const { topicId, partition } of held) {
    const partitions = byTopic.get(topicId);
    if (partitions === undefined) byTopic.set(topicId, [partition]);
    else partitions.push(partition);
  }
  return [...byTopic].map(([topicId, partitions]) => ({ topicId, partitions }));
}

function keyOf({ topicId, partition }: { readonly topicId: string; readonly partition: number }): string {
  return `${topicId}:${partition}`;
}
