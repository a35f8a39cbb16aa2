// What members of both protocols do alike: fetch what they have, and commit how far they came.
//
// Owns: a member's positions, its deliveries and its commits, and the record of its share.
// Never: joins, or decides what it has (classic-member.ts, consumer-member.ts).

import type { LogName } from "../../history.ts";
import { type GroupCoordinator, MoldauError } from "../../subject.ts";
import type { Answer } from "../client.ts";
import type { Channel } from "../network.ts";
import type { ActorWorld, LogPlace } from "./actor.ts";
import type { Group } from "./group.ts";
import { fetchPage } from "./readers.ts";

export interface MemberTraits {
  readonly name: string;
  readonly isStatic: boolean;
  readonly everyMs: number;
  readonly limit: number;
}

export const sessionTimeoutMs = 6000;
export const rebalanceTimeoutMs = 4000;
/** How long a coordinator waits at least for a member that has something, whatever it waits for. */
const patienceMs = Math.min(sessionTimeoutMs, rebalanceTimeoutMs);

/** Between two pages of who has to come to the end. */
const readingOnMs = 20;

/** When something was asked for: its place in the history, and virtual time. */
export interface Asked {
  readonly at: number;
  readonly ms: number;
}

export interface Identity {
  readonly memberId: string;
  /** Generation, or member epoch. */
  readonly generation: number;
}

export class Consumption {
  readonly world: ActorWorld;
  readonly group: Group;
  readonly traits: MemberTraits;
  /** Requests to the coordinator are one after the other, as on its connection. */
  readonly channel: Channel = { lastArrivalMs: 0 };
  readonly #positions: Map<LogName, number> = new Map();
  readonly #committed: Map<LogName, number> = new Map();
  readonly #ends: Map<LogName, number> = new Map();
  /** What it has now. */
  share: readonly LogPlace[] = [];
  identity: Identity | null = null;

  constructor(world: ActorWorld, group: Group, traits: MemberTraits) {
    this.world = world;
    this.group = group;
    this.traits = traits;
  }

  /** Under which name the history knows the member: a static one is the same one after a restart. */
  get member(): string {
    return this.traits.isStatic ? this.traits.name : (this.identity?.memberId ?? this.traits.name);
  }

  /** What is sent now. */
  get asking(): Asked {
    return { at: this.world.recorder.now, ms: this.world.client.scheduler.nowMs };
  }

  ask<T>(
    what: string,
    request: (groups: GroupCoordinator) => Promise<T>,
    timeoutMs: number = 2000,
  ): Promise<Answer<T>> {
    this.world.client.begins();
    return this.world.client.ask(`${what} by ${this.traits.name}`, (broker) => request(broker.groups), {
      timeoutMs,
      channel: this.channel,
    });
  }

  /** Its whole share from now on; `asked` is when the coordinator was asked for it. */
  take(identity: Identity, share: readonly LogPlace[], asked: Asked): void {
    this.identity = identity;
    for (const { name } of this.share) if (!share.some((log) => log.name === name)) this.#forget(name);
    this.share = share;
    const partitions = share.map(({ name }) => name);
    const { id: group, protocol } = this.group;
    const { recorder, coverage } = this.world;
    for (const { member, log, heardMs: sentMs } of this.group.holders(partitions, this.traits.name)) {
      recorder.push({ kind: "heard", group, member, log, sentMs, patienceMs });
      coverage.add("partitions taken from who was silent");
    }
    recorder.push(
      { kind: "assign", group, member: this.member, generation: identity.generation, protocol, partitions },
      asked.at,
    );
    coverage.add(`partitions assigned (${protocol})`, partitions.length);
    this.group.has(this.traits.name, partitions, this.member, asked.ms);
  }

  /** It has nothing any more. */
  giveUp(): void {
    const partitions = this.share.map(({ name }) => name);
    const { identity } = this;
    if (identity !== null && partitions.length > 0) {
      const { generation } = identity;
      this.world.recorder.push({
        ...{ kind: "revoke", group: this.group.id, member: this.member, generation, partitions },
      });
      this.world.coverage.add(`revocations (${this.group.protocol})`);
    }
    for (const name of partitions) this.#forget(name);
    this.share = [];
    this.group.has(this.traits.name, [], this.member, 0);
  }

  #forget(log: LogName): void {
    this.#positions.delete(log);
    this.#committed.delete(log);
    this.#ends.delete(log);
  }

  /** Until the next round. Once all is healed, whoever has more to read reads on. */
  rest(): Promise<void> {
    const { client, isHealed, isDamaged } = this.world;
    const hasMore = this.share.some(
      ({ name }) => !isDamaged(name) && (this.#positions.get(name) ?? 0) < (this.#ends.get(name) ?? 0),
    );
    return isHealed() && hasMore ? client.sleep(readingOnMs) : client.pause(this.traits.everyMs);
  }

  /** One round: where it stands is asked for what is new, and a page of each is read. */
  async poll(lives: () => boolean): Promise<void> {
    const unknown = this.share.filter(({ name }) => !this.#positions.has(name));
    if (unknown.length > 0 && !(await this.#begin(unknown, lives))) return;
    for (const log of [...this.share]) {
      if (!lives()) return;
      if (this.share.includes(log)) await this.#page(log, lives);
    }
  }

  async #begin(logs: readonly LogPlace[], lives: () => boolean): Promise<boolean> {
    const { recorder, client } = this.world;
    const topics = [...new Set(logs.map(({ topic }) => topic))].map((name) => ({
      name,
      partitionIndexes: logs.filter(({ topic }) => topic === name).map(({ partition }) => partition),
    }));
    const askedAt = recorder.now;
    const answer = await this.ask("fetch offsets", (groups) => groups.fetchOffsets({ groupId: this.group.id, topics }));
    if (answer.outcome !== "ok" || !lives()) return false;
    for (const { name, partitions } of answer.value.topics) {
      for (const { partitionIndex, committedOffset } of partitions) {
        const log = logs.find(({ topic, partition }) => topic === name && partition === partitionIndex);
        if (log === undefined || !this.share.includes(log)) continue;
        recorder.push(
          { kind: "committed", group: this.group.id, member: this.member, log: log.name, offset: committedOffset },
          askedAt,
        );
        let position = committedOffset;
        if (position < 0) {
          const start = await client.ask("offsets", async (broker) => broker.offsets(log.topic, log.partition));
          if (start.outcome !== "ok" || !lives()) continue;
          position = start.value.earliest;
        }
        this.#positions.set(log.name, position);
        this.#committed.set(log.name, committedOffset);
      }
    }
    return true;
  }

  async #page(log: LogPlace, lives: () => boolean): Promise<void> {
    const from = this.#positions.get(log.name);
    const { identity } = this;
    if (from === undefined || identity === null) return;
    const { client, recorder } = this.world;
    const { limit } = this.traits;
    const invokedAt = recorder.now;
    client.begins();
    const answer = await client.ask(`read by ${this.traits.name} of ${log.name}`, (broker) =>
      fetchPage(broker, log, from, { raw: false, limit, maxWaitMs: 0 }),
    );
    if (!lives() || !this.share.includes(log)) return;
    if (answer.outcome !== "ok") {
      if (answer.outcome === "fail" && answer.code === "OFFSET_OUT_OF_RANGE") await this.#reset(log, lives);
      return;
    }
    const page = answer.value;
    recorder.push(
      {
        ...{ kind: "read", process: this.traits.name, log: log.name, manner: "group", from, outcome: "ok", ...page },
        ...{ group: this.group.id, member: this.member, generation: identity.generation },
      },
      invokedAt,
    );
    this.world.coverage.add("records delivered to members", page.records.length);
    this.#positions.set(log.name, page.nextOffset);
    this.#ends.set(log.name, page.highWatermark);
  }

  /** What it stood at is deleted: it goes on where the log begins, and has nothing to commit before it has read. */
  async #reset(log: LogPlace, lives: () => boolean): Promise<void> {
    this.#ends.delete(log.name);
    const start = await this.world.client.ask("offsets", async (broker) => broker.offsets(log.topic, log.partition));
    if (start.outcome === "ok" && lives() && this.share.includes(log)) {
      this.#positions.set(log.name, start.value.earliest);
    }
  }

  /** Commits all that was delivered and is not committed. Returns the code of a refusal. */
  async commit(): Promise<string | null> {
    const { identity, group, traits } = this;
    if (identity === null) return null;
    const due = this.share.filter(({ name }) => {
      const position = this.#positions.get(name);
      return position !== undefined && this.#ends.has(name) && position !== this.#committed.get(name);
    });
    if (due.length === 0) return null;
    const offsets = new Map(due.map((log) => [log.name, this.#positions.get(log.name) as number]));
    const topics = [...new Set(due.map(({ topic }) => topic))].map((name) => ({
      name,
      partitions: due
        .filter(({ topic }) => topic === name)
        .map((log) => ({ partitionIndex: log.partition, committedOffset: offsets.get(log.name) as number })),
    }));
    const { member } = this;
    const { recorder, coverage } = this.world;
    const invokedAt = recorder.now;
    const answer = await this.ask("commit", (groups) =>
      groups.commitOffsets({
        ...{ groupId: group.id, memberId: identity.memberId, generationIdOrMemberEpoch: identity.generation, topics },
        groupInstanceId: group.protocol === "classic" && traits.isStatic ? traits.name : null,
      }),
    );
    let refusal: string | null = null;
    for (const log of due) {
      const outcome = outcomeFor(answer, log);
      const offset = offsets.get(log.name) as number;
      recorder.push(
        { kind: "commit", group: group.id, member, generation: identity.generation, log: log.name, offset, ...outcome },
        invokedAt,
      );
      if (outcome.outcome === "ok") {
        coverage.add("commits acknowledged");
        if (this.#positions.has(log.name)) this.#committed.set(log.name, offset);
      } else {
        coverage.add(`commits ${outcome.outcome} ${outcome.code}`);
        if (outcome.outcome === "fail") refusal = outcome.code;
      }
    }
    return refusal;
  }

  /** Tells the group whether everything of its share is read and committed. */
  report(): void {
    const { isDamaged } = this.world;
    const isCaughtUp = this.share.every(
      ({ name }) =>
        isDamaged(name) ||
        (this.#ends.has(name) &&
          (this.#positions.get(name) ?? -1) >= (this.#ends.get(name) as number) &&
          this.#positions.get(name) === this.#committed.get(name)),
    );
    this.group.caughtUp(this.traits.name, isCaughtUp);
  }
}

type CommitAnswer = Answer<Awaited<ReturnType<GroupCoordinator["commitOffsets"]>>>;
type CommitOutcome = { readonly outcome: "ok" } | { readonly outcome: "fail" | "info"; readonly code: string };

function outcomeFor(answer: CommitAnswer, log: LogPlace): CommitOutcome {
  if (answer.outcome !== "ok") return { outcome: answer.outcome, code: answer.code };
  const topic = answer.value.find(({ name }) => name === log.topic);
  const error = topic?.partitions.find(({ partitionIndex }) => partitionIndex === log.partition)?.error;
  if (!(error instanceof MoldauError)) return { outcome: "ok" };
  return { outcome: error.effect === "none" ? "fail" : "info", code: error.code };
}

/** What a member does to itself now and then. */
export type Whim = "none" | "leave" | "vanish" | "pause";

export function whimOf(world: ActorWorld): { readonly whim: Whim; readonly ms: number } {
  const chance = world.client.chance();
  if (world.isHealed() || !chance.chance(0.015)) return { whim: "none", ms: 0 };
  return {
    whim: chance.pick(["leave", "vanish", "vanish", "pause", "pause"] as const),
    ms: chance.pick([200, 3000, 9000]),
  };
}
