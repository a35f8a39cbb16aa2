// A consumer of the consumer protocol (KIP-848), as clients are: says what it has, does as it is told.
//
// Owns: one process after another under one name. Never: judges (ledger.ts).

import { staleCommitsAreRefused } from "../checker/groups.ts";
import type { MoldauError, TopicPartitions } from "../subject.ts";
import type { Ledger } from "./ledger.ts";
import type { Outcome, Stage } from "./stage.ts";

/** Who is silent for longer may have lost everything. */
export const consumerSession = { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 5000 } as const;
const heartbeatMs = 500;
export const groupId = "consumer-group";

export interface Subscription {
  readonly names: readonly string[];
  readonly regex: string | null;
}

export interface ConsumerTraits {
  readonly name: string;
  readonly isStatic: boolean;
  readonly subscription: Subscription;
  /** When each process of every client was last heard: who asks whether another may be gone looks here. */
  readonly lastHeard: Map<string, number>;
  /** The topic that offsets are committed for. */
  readonly base: { readonly id: string; readonly partitions: number };
}

export class ConsumerClient {
  readonly name: string;
  readonly instanceId: string | null;
  readonly #stage: Stage;
  readonly #ledger: Ledger;
  readonly #lastHeard: Map<string, number>;
  readonly #base: { readonly id: string; readonly partitions: number };
  #process = 0;
  #pausedUntilMs = 0;
  #isRunning = false;
  #subscription: Subscription;
  #subscriptionChanged = false;
  /** Member ids and epochs, the last one last: for commits that come too late. */
  readonly #stamps: { readonly memberId: string; readonly memberEpoch: number }[] = [];
  /** Keys of partitions that the living process has. */
  owned: ReadonlySet<string> = new Set();

  constructor(stage: Stage, ledger: Ledger, traits: ConsumerTraits) {
    this.#stage = stage;
    this.#ledger = ledger;
    this.name = traits.name;
    this.instanceId = traits.isStatic ? traits.name : null;
    this.#subscription = traits.subscription;
    this.#lastHeard = traits.lastHeard;
    this.#base = traits.base;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get subscription(): Subscription {
    return this.#subscription;
  }

  #me(): string {
    return `${this.name}.${this.#process}`;
  }

  start(): void {
    if (this.#isRunning) this.vanish();
    this.#process += 1;
    this.#isRunning = true;
    this.#pausedUntilMs = 0;
    void this.#run(this.#process);
  }

  vanish(): void {
    this.#have(new Set());
    this.#process += 1;
    this.#isRunning = false;
  }

  /** `forAWhile`: as a static member does that will be back. */
  async leave(forAWhile: boolean): Promise<void> {
    const stamp = this.#stamps.at(-1);
    const wasRunning = this.#isRunning;
    this.vanish();
    if (stamp === undefined || !wasRunning) return;
    const memberEpoch = forAWhile && this.instanceId !== null ? -2 : -1;
    const { memberId } = stamp;
    const outcome = await this.#stage.call((groups) =>
      groups.consumerGroupHeartbeat({ groupId, memberId, memberEpoch, instanceId: this.instanceId }),
    );
    if (outcome.kind === "ok") this.#ledger.coverage.add(memberEpoch === -2 ? "static members away" : "members left");
  }

  pause(ms: number): void {
    this.#pausedUntilMs = this.#stage.nowMs + ms;
  }

  resume(): void {
    this.#pausedUntilMs = 0;
  }

  subscribe(subscription: Subscription): void {
    this.#subscription = subscription;
    this.#subscriptionChanged = true;
  }

  /** Lets go of what is not in it, then takes what is new. */
  #have(partitions: ReadonlySet<string>): void {
    const me = this.#me();
    for (const key of this.owned) if (!partitions.has(key)) this.#ledger.giveUp(key, me);
    for (const key of partitions) {
      if (this.owned.has(key)) continue;
      this.#ledger.take(key, me, this.#stage.number(), (owner) => {
        const silentMs = this.#stage.nowMs - (this.#lastHeard.get(owner) ?? 0);
        return silentMs >= Math.min(consumerSession.sessionTimeoutMs, consumerSession.rebalanceTimeoutMs);
      });
      this.#ledger.coverage.add("partitions assigned");
    }
    this.owned = partitions;
  }

  async #run(process: number): Promise<void> {
    const lives = (): boolean => this.#process === process;
    const memberId = `${this.name}-${process}`;
    let epoch = 0;
    let isFull = true;
    let isNew = true;
    while (lives()) {
      const left = this.#pausedUntilMs - this.#stage.nowMs;
      if (left > 0) {
        await this.#stage.sleep(left);
        if (lives()) await this.commit();
      }
      if (!lives()) return;
      const changed = this.#subscriptionChanged;
      this.#subscriptionChanged = false;
      const sentAtMs = this.#stage.nowMs;
      const outcome = await this.#beat(memberId, epoch, isFull || changed);
      if (!lives()) return;
      if (outcome.kind === "lost") {
        isFull = true;
        this.#ledger.coverage.add("heartbeats without an answer");
        await this.#stage.sleep(100);
        continue;
      }
      if (outcome.kind === "refused") {
        isFull = true;
        epoch = this.#refused(outcome.error, epoch);
        await this.#stage.sleep(200);
        continue;
      }
      isFull = false;
      const { memberEpoch, assignment } = outcome.value;
      if (memberEpoch !== epoch) this.#ledger.coverage.add("epochs reached");
      if (isNew && this.instanceId !== null && memberEpoch > 1 && (assignment?.length ?? 0) > 0) {
        this.#ledger.coverage.add("static members replaced with what they had");
      }
      isNew = false;
      epoch = memberEpoch;
      const last = this.#stamps.at(-1);
      if (last?.memberId !== memberId || last.memberEpoch !== epoch) this.#stamps.push({ memberId, memberEpoch });
      // Heard at the latest when it asked: from then on its session counts anew.
      this.#lastHeard.set(this.#me(), sentAtMs);
      if (assignment !== null) {
        const keys = assignment.flatMap(({ topicId, partitions }) => partitions.map((at) => `${topicId}:${at}`));
        if ([...this.owned].some((key) => !keys.includes(key))) {
          this.#ledger.coverage.add("revocations");
          // What was read of them is worked off first.
          await this.#stage.sleep(this.#stage.chance("revoke", this.#stage.number()).next() * 1000);
          if (!lives()) return;
        }
        this.#have(new Set(keys));
      }
      if (this.#stage.chance("commit", this.#stage.number()).chance(0.3)) await this.commit();
      await this.#stage.sleep(heartbeatMs);
    }
  }

  #beat(
    memberId: string,
    memberEpoch: number,
    isFull: boolean,
  ): Promise<Outcome<{ memberEpoch: number; assignment: readonly TopicPartitions[] | null }>> {
    const { names, regex } = this.#subscription;
    return this.#stage.call((groups) =>
      groups.consumerGroupHeartbeat({
        ...{ groupId, memberId, memberEpoch, instanceId: this.instanceId },
        ...(isFull
          ? {
              rebalanceTimeoutMs: consumerSession.rebalanceTimeoutMs,
              subscribedTopicNames: names,
              subscribedTopicRegex: regex ?? "",
            }
          : {}),
        topicPartitions: this.#ownedByTopic(),
      }),
    );
  }

  #ownedByTopic(): TopicPartitions[] {
    const topics = new Map<string, number[]>();
    for (const key of this.owned) {
      const [topicId, partition] = key.split(":") as [string, string];
      topics.set(topicId, [...(topics.get(topicId) ?? []), Number(partition)]);
    }
    return [...topics].map(([topicId, partitions]) => ({ topicId, partitions }));
  }

  /** The epoch to go on with. */
  #refused({ code }: MoldauError, epoch: number): number {
    this.#ledger.coverage.add(`heartbeats refused ${code}`);
    if (code !== "FENCED_MEMBER_EPOCH" && code !== "UNKNOWN_MEMBER_ID" && code !== "GROUP_ID_NOT_FOUND") return epoch;
    this.#have(new Set());
    return 0;
  }

  /** Of a partition of `base`: one of its own, or any, late: as the member that it was, or in its last epoch. */
  async commit(late = false): Promise<void> {
    const stamp = this.#stamps.at(late ? -2 : -1);
    const base = this.#base;
    const keys = Array.from({ length: base.partitions }, (_, partition) => `${base.id}:${partition}`);
    const own = late ? keys : keys.filter((key) => this.owned.has(key));
    if (stamp === undefined || own.length === 0) return;
    const number = this.#stage.number();
    const key = this.#stage.chance("partition", number).pick(own);
    const partition = Number(key.split(":")[1]);
    const me = this.#me();
    const { owner } = this.#ledger.ownerOf(key) ?? { owner: me };
    // Another process's member may still be one of the group.
    const latest = this.#stamps.at(-1)!;
    const isStale = latest.memberId === stamp.memberId && latest.memberEpoch > stamp.memberEpoch;
    const commit = this.#ledger.beginCommit(partition, number, number);
    const outcome = await this.#stage.call(
      (groups) =>
        groups.commitOffsets({
          ...{ groupId, memberId: stamp.memberId, generationIdOrMemberEpoch: stamp.memberEpoch },
          topics: [{ name: "base", partitions: [{ partitionIndex: partition, committedOffset: number }] }],
        }),
      true,
    );
    const error =
      outcome.kind === "refused"
        ? outcome.error
        : outcome.kind === "ok"
          ? outcome.value[0]!.partitions[0]!.error
          : undefined;
    if (outcome.kind === "lost") this.#ledger.coverage.add("commits without an answer");
    else if (error !== undefined) {
      this.#ledger.coverage.add(`commits refused ${error.code}`);
      if (error.effect === "none") this.#ledger.refuse(partition, commit);
    } else {
      this.#ledger.acknowledge(commit);
      if (isStale) {
        this.#ledger.violate(staleCommitsAreRefused, `${me} committed in epoch ${stamp.memberEpoch}`);
      }
      if (!late && owner !== me) {
        this.#ledger.violate(staleCommitsAreRefused, `${me} committed ${partition}, which ${owner} has`);
      }
    }
  }

  /** Looks at what is committed, from outside. */
  async audit(partitions: number): Promise<void> {
    const partitionIndexes = Array.from({ length: partitions }, (_, partition) => partition);
    const expected = partitionIndexes.map((partition) => this.#ledger.expectation(partition));
    const topics = [{ name: "base", partitionIndexes }];
    const outcome = await this.#stage.call((groups) => groups.fetchOffsets({ groupId, topics }));
    if (outcome.kind !== "ok") return;
    for (const { partitionIndex, committedOffset } of outcome.value.topics[0]!.partitions) {
      this.#ledger.fetched(partitionIndex, committedOffset, expected[partitionIndex]!);
    }
  }
}
