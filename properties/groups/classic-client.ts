// A consumer of the classic protocol, as clients are: joins, assigns when it leads, heartbeats, commits.
//
// Owns: one process after another under one name. Never: judges (ledger.ts).

import { oneOwnerAGeneration, staleCommitsAreRefused } from "../checker/groups.ts";
import { MemberIdRequiredError } from "../subject.ts";
import type { Ledger } from "./ledger.ts";
import type { Outcome, Stage } from "./stage.ts";

export const classicSession = { sessionTimeoutMs: 6000, rebalanceTimeoutMs: 4000 } as const;
const heartbeatMs = 1000;
export const groupId = "classic-group";
const topic = "base";

interface Membership {
  readonly memberId: string;
  readonly generationId: number;
}

export class ClassicClient {
  readonly name: string;
  readonly instanceId: string | null;
  readonly #stage: Stage;
  readonly #ledger: Ledger;
  readonly #partitions: number;
  /** The process that lives; those before it go on until they notice. */
  #process = 0;
  #pausedUntilMs = 0;
  /** Of this and former processes: for commits that come too late. */
  readonly memberships: Membership[] = [];
  current: (Membership & { readonly partitions: readonly number[] }) | null = null;

  constructor(stage: Stage, ledger: Ledger, name: string, isStatic: boolean, partitions: number) {
    this.#stage = stage;
    this.#ledger = ledger;
    this.name = name;
    this.instanceId = isStatic ? name : null;
    this.#partitions = partitions;
  }

  #isRunning = false;
  /** The broker's life in which the living process began. */
  #begunInLife = 0;

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Begins a process; one that runs is replaced without a word. */
  start(): void {
    this.#process += 1;
    this.#isRunning = true;
    this.#begunInLife = this.#stage.lives;
    this.#pausedUntilMs = 0;
    this.current = null;
    void this.#run(this.#process);
  }

  vanish(): void {
    this.#process += 1;
    this.#isRunning = false;
    this.current = null;
  }

  async leave(): Promise<void> {
    const { current } = this;
    this.vanish();
    if (current === null) return;
    const members = [{ memberId: current.memberId, groupInstanceId: this.instanceId }];
    const outcome = await this.#stage.call((groups) => groups.leaveGroup({ groupId, members }));
    if (outcome.kind === "ok" && outcome.value[0]!.error === undefined) this.#ledger.coverage.add("members left");
  }

  pause(ms: number): void {
    this.#pausedUntilMs = this.#stage.nowMs + ms;
  }

  resume(): void {
    this.#pausedUntilMs = 0;
  }

  async #run(process: number): Promise<void> {
    const lives = (): boolean => this.#process === process;
    let memberId = "";
    while (lives()) {
      const joined = await this.#join(memberId);
      if (!lives()) return;
      if (joined.kind === "lost") await this.#stage.sleep(100);
      else if (joined.kind === "refused") {
        const { error } = joined;
        if (error instanceof MemberIdRequiredError) memberId = error.memberId;
        else if (error.code === "UNKNOWN_MEMBER_ID") memberId = "";
        else if (error.code === "FENCED_INSTANCE_ID") return this.#fenced();
        else await this.#stage.sleep(200);
      } else {
        memberId = joined.value.memberId;
        const again = await this.#live(joined.value, lives);
        if (again === "new member") memberId = "";
        else if (again === "fenced") return lives() ? this.#fenced() : undefined;
        await this.#stage.sleep(10);
      }
    }
  }

  /**
   * The process ends, as clients do. Nobody has taken its instance over: only a broker that died before the group
   * was stored with this member in it, as Kafka's, may take the process for the one of before.
   */
  #fenced(): void {
    if (this.#stage.lives === this.#begunInLife) {
      this.#ledger.violate(
        oneOwnerAGeneration,
        `${this.name} was fenced in its broker's own life, and has no successor`,
      );
    }
    this.#ledger.coverage.add("instances fenced after a crash");
    this.vanish();
  }

  async #join(
    memberId: string,
  ): Promise<Outcome<Membership & { readonly members: readonly string[]; leads: boolean }>> {
    const latest = this.#ledger.latestGeneration;
    const outcome = await this.#stage.call((groups) =>
      groups.joinGroup({
        ...{ groupId, memberId, groupInstanceId: this.instanceId, protocolType: "test", clientId: this.name },
        ...classicSession,
        protocols: [{ name: "even", metadata: new Uint8Array([1]) }],
        ...{ requireKnownMemberId: true, supportsSkippingAssignment: true },
      }),
    );
    if (outcome.kind !== "ok") return outcome;
    const { generationId, leader, members, skipAssignment, ...value } = outcome.value;
    if (this.instanceId !== null && memberId === "" && generationId === latest) {
      this.#ledger.coverage.add("static members replaced in a stable group");
    }
    this.memberships.push({ memberId: value.memberId, generationId });
    const leads = leader === value.memberId && !skipAssignment;
    const ids = members.map((member) => member.memberId).sort();
    return { kind: "ok", value: { memberId: value.memberId, generationId, leads, members: ids } };
  }

  async #live(
    joined: Membership & { readonly members: readonly string[]; readonly leads: boolean },
    lives: () => boolean,
  ): Promise<"again" | "new member" | "fenced"> {
    const { memberId, generationId } = joined;
    const assignments = joined.leads ? this.#assign(joined.members) : [];
    const identity = { groupId, memberId, generationId, groupInstanceId: this.instanceId };
    const synced = await this.#stage.call((groups) => groups.syncGroup({ ...identity, assignments }), true);
    if (synced.kind !== "ok") return this.#afterwards(synced);
    const partitions = [...synced.value.assignment];
    this.#ledger.assigned(generationId, this.instanceId ?? memberId, partitions);
    if (!lives()) return "fenced";
    this.current = { memberId, generationId, partitions };
    await this.#fetch(partitions);
    while (lives()) {
      await this.#stage.sleep(heartbeatMs);
      const left = this.#pausedUntilMs - this.#stage.nowMs;
      if (left > 0) {
        await this.#stage.sleep(left);
        // As if nothing had happened: what it read before the pause it commits now.
        if (lives()) await this.commit();
      }
      if (!lives()) return "fenced";
      const beaten = await this.#stage.call((groups) => groups.heartbeat(identity));
      if (!lives()) return "fenced";
      if (beaten.kind === "refused") {
        this.current = null;
        return this.#afterwards(beaten);
      }
      const chance = this.#stage.chance("commit", this.#stage.number());
      if (!chance.chance(0.4)) continue;
      // Now and then the next one is sent before the answer to the first is there.
      if (chance.chance(0.3) && partitions.length > 0) {
        const partition = chance.pick(partitions);
        const first = this.commit(null, partition);
        await this.#stage.sleep(chance.next() * 4);
        await Promise.all([first, lives() ? this.commit(null, partition) : undefined]);
      } else await this.commit();
    }
    return "fenced";
  }

  #afterwards(outcome: Outcome<unknown>): "again" | "new member" | "fenced" {
    if (outcome.kind !== "refused") return "again";
    if (outcome.error.code === "FENCED_INSTANCE_ID") return "fenced";
    if (outcome.error.code !== "UNKNOWN_MEMBER_ID") return "again";
    this.#ledger.coverage.add("members let go");
    return "new member";
  }

  #assign(members: readonly string[]): { readonly memberId: string; readonly assignment: Uint8Array }[] {
    // Never twice the same: who has what says which assignment it was.
    const turn = this.#stage.chance("assign", this.#stage.number()).below(members.length);
    return members.map((memberId, place) => ({
      memberId,
      assignment: Uint8Array.from(
        Array.from({ length: this.#partitions }, (_, partition) => partition).filter(
          (partition) => (partition + turn) % members.length === place,
        ),
      ),
    }));
  }

  async #fetch(partitions: readonly number[]): Promise<void> {
    const expected = partitions.map((partition) => this.#ledger.expectation(partition));
    const topics = [{ name: topic, partitionIndexes: partitions }];
    const outcome = await this.#stage.call((groups) => groups.fetchOffsets({ groupId, topics }));
    if (outcome.kind !== "ok") return;
    for (const [place, { partitionIndex, committedOffset }] of outcome.value.topics[0]!.partitions.entries()) {
      this.#ledger.fetched(partitionIndex, committedOffset, expected[place]!);
    }
  }

  /** Looks at what is committed for every partition, from outside. */
  audit(): Promise<void> {
    return this.#fetch(Array.from({ length: this.#partitions }, (_, partition) => partition));
  }

  /** Of one of its partitions, as the member that it is, or that it was (`back` memberships ago). */
  async commit(back: number | null = null, of: number | null = null): Promise<void> {
    const membership = back === null ? this.current : this.memberships.at(-1 - back);
    if (membership === null || membership === undefined) return;
    const number = this.#stage.number();
    const own = back === null ? this.current!.partitions : Array.from({ length: this.#partitions }, (_, at) => at);
    if (own.length === 0) return;
    const partition = of ?? this.#stage.chance("partition", number).pick(own);
    const { latestGeneration } = this.#ledger;
    const commit = this.#ledger.beginCommit(partition, number, number);
    const outcome = await this.#stage.call(
      (groups) =>
        groups.commitOffsets({
          ...{ groupId, memberId: membership.memberId, groupInstanceId: this.instanceId },
          generationIdOrMemberEpoch: membership.generationId,
          topics: [{ name: topic, partitions: [{ partitionIndex: partition, committedOffset: number }] }],
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
      if (this.#stage.chance("look", number).chance(0.3)) void this.#fetch([partition]);
      if (membership.generationId < latestGeneration) {
        const { memberId, generationId } = membership;
        this.#ledger.violate(
          staleCommitsAreRefused,
          `'${memberId}' committed in generation ${generationId} when ${latestGeneration} had been assigned`,
        );
      }
    }
  }
}
