// A member of a group: takes what it is assigned, reads on from what is committed, commits what it was given.
//
// Owns: the member's loop, one thing after the other, so that nothing is read of what was given up meanwhile; and
//   that it asks for nothing when the work has ended and it has come to the end, but lives on by its heartbeats.
// Never: judges; knows a group's protocol (the adapter's member does).

import type { GroupMember, Membership, Place } from "../adapter/contract.ts";
import type { LogName } from "../history.ts";
import type { Random } from "../random.ts";
import type { Log, Stage } from "./clients.ts";
import { sleep } from "./sleep.ts";
import { toRead } from "./values.ts";

const heartbeatMs = 300;
const backoffMs = 100;
/** When the work has ended: after an answer that brought it no further, doubled with each, up to a heartbeat. */
const firstPauseMs = 10;

export class Member {
  readonly #stage: Stage;
  readonly #group: string;
  readonly #random: Random;
  readonly #process: string;
  readonly #goodbyeMs: number;
  #member: GroupMember | null = null;
  /** It has left, and nobody has said that he heard it. */
  #leaving: { readonly member: GroupMember; readonly sinceMs: number } | null = null;
  #share: Membership | null = null;
  /** Shares of before, for commits that come too late. */
  #former: Membership | null = null;
  /** Where to read on; a log is missing until what is committed of it is known. */
  readonly #positions: Map<LogName, number> = new Map();
  readonly #committed: Map<LogName, number> = new Map();
  #lastBeatMs = Number.NEGATIVE_INFINITY;
  /** Of the assignment: when it was asked for. */
  #askedAt = 0;

  /** One that has left and is not answered says so for `goodbyeMs`, and joins again then. */
  constructor(stage: Stage, group: string, process: string, random: Random, goodbyeMs: number) {
    this.#stage = stage;
    this.#goodbyeMs = goodbyeMs;
    this.#group = group;
    this.#process = process;
    this.#random = random;
  }

  async run(): Promise<void> {
    while (this.#stage.working()) {
      if (this.#random.chance(0.002)) await this.leave();
      await this.#turn(this.#random.below(50));
    }
  }

  /** Whether it has read and committed all of what it has, up to these ends. Who has nothing has. */
  hasReached(ends: ReadonlyMap<LogName, number>): boolean {
    return this.#behind(ends).length === 0;
  }

  get partitions(): number {
    return this.#share?.partitions.length ?? 0;
  }

  /** When the work has ended: lives, reads and commits up to these ends, until `done` is aborted. */
  async finish(ends: ReadonlyMap<LogName, number>, done: AbortSignal, onTurn: () => void): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!done.aborted) {
      await this.#beatInTime();
      const share = this.#share;
      const behind = this.#behind(ends);
      let isFurther = false;
      if (share !== null && behind.length > 0 && !done.aborted)
        isFurther = await this.#advance(this.#random.pick(behind), share, ends);
      onTurn();
      if (isFurther) pauseMs = firstPauseMs;
      else {
        const untilBeatMs = Math.max(1, this.#lastBeatMs + heartbeatMs - this.#stage.recorder.elapsedMs());
        await sleep(behind.length === 0 ? untilBeatMs : Math.min(pauseMs, untilBeatMs), done);
        if (behind.length > 0) pauseMs = Math.min(2 * pauseMs, heartbeatMs);
      }
    }
  }

  /** Whether it has read something, or has committed what it had read. */
  async #advance(log: Log, share: Membership, ends: ReadonlyMap<LogName, number>): Promise<boolean> {
    if (!(await this.#position(log, share))) return false;
    const from = this.#positions.get(log.name) as number;
    const committed = this.#committed.get(log.name);
    if (from < endOf(log, ends) && !(await this.#read(log, share, 0))) return false;
    await this.#commit(log, share);
    return this.#positions.get(log.name) !== from || this.#committed.get(log.name) !== committed;
  }

  /** Of what it has: where something is left to be read or committed. */
  #behind(ends: ReadonlyMap<LogName, number>): Log[] {
    const logs = this.#share?.partitions.map((place) => this.#logOf(place)) ?? [];
    return logs.filter((log) => (this.#committed.get(log.name) ?? 0) < endOf(log, ends));
  }

  async leave(): Promise<void> {
    const member = this.#member;
    this.#member = null;
    if (member === null) return;
    this.#leaving = { member, sinceMs: this.#stage.recorder.elapsedMs() };
    await this.#sayGoodbye();
    // It is gone, whether or not the group has heard it.
    if (this.#share !== null) this.#revoked(this.#share, this.#share.partitions);
    this.#share = null;
  }

  /** Until somebody hears it: the group would keep the share of one that is no more, for a session's time. */
  async #sayGoodbye(): Promise<void> {
    const { recorder } = this.#stage;
    const leaving = this.#leaving;
    if (leaving === null) return;
    const answer = await recorder.call(() => leaving.member.leave());
    if (answer.outcome === "ok" || recorder.elapsedMs() - leaving.sinceMs > this.#goodbyeMs) this.#leaving = null;
  }

  async #turn(maxWaitMs: number): Promise<void> {
    await this.#beatInTime();
    const share = this.#share;
    if (share === null || share.partitions.length === 0) {
      await this.#stage.sleep(backoffMs);
      return;
    }
    const log = this.#logOf(this.#random.pick(share.partitions));
    if (!(await this.#position(log, share)) || !(await this.#read(log, share, maxWaitMs))) {
      await this.#stage.sleep(backoffMs);
      return;
    }
    if (this.#random.chance(0.5)) await this.#commit(log, share);
    if (this.#former !== null && this.#random.chance(0.05)) await this.#commitLate(log);
  }

  async #beatInTime(): Promise<void> {
    const { recorder } = this.#stage;
    if (recorder.elapsedMs() - this.#lastBeatMs < heartbeatMs) return;
    this.#lastBeatMs = recorder.elapsedMs();
    await this.#beat();
  }

  async #beat(): Promise<void> {
    const { adapter, recorder, logs } = this.#stage;
    await this.#sayGoodbye();
    if (this.#leaving !== null) return;
    this.#askedAt = recorder.history.length;
    if (this.#member === null) {
      const topics = [...new Set(logs.map(({ place }) => place.topic))];
      const joined = await recorder.call(async () =>
        adapter.joinGroup?.(this.#group, topics, {
          revoked: (of, partitions) => this.#revoked(of, partitions),
          assigned: (share) => this.#assigned(share),
        }),
      );
      if (joined.outcome !== "ok" || joined.value === undefined) return;
      this.#member = joined.value;
    }
    const member = this.#member;
    await recorder.call(() => member.heartbeat());
  }

  #assigned(share: Membership): void {
    const { adapter, recorder } = this.#stage;
    const protocol = adapter.supports.groups === "consumer" ? "consumer" : "classic";
    const names = share.partitions.map((place) => this.#logOf(place).name);
    if (this.#share !== null && this.#share.generation < share.generation) this.#former = this.#share;
    for (const name of this.#positions.keys()) if (!names.includes(name)) this.#forget(name);
    this.#share = share;
    recorder.push(
      {
        ...{ kind: "assign", group: this.#group, protocol, member: share.member },
        ...{ generation: share.generation, partitions: names },
      },
      this.#askedAt,
    );
  }

  #revoked(of: Membership, partitions: readonly Place[]): void {
    const names = partitions.map((place) => this.#logOf(place).name);
    for (const name of names) this.#forget(name);
    this.#stage.recorder.push({
      ...{ kind: "revoke", group: this.#group, member: of.member, generation: of.generation, partitions: names },
    });
    const left = of.partitions.filter((place) => !names.includes(this.#logOf(place).name));
    this.#former = of;
    this.#share = left.length === 0 ? null : { ...of, partitions: left };
  }

  #forget(name: LogName): void {
    this.#positions.delete(name);
    this.#committed.delete(name);
  }

  /** Asks what is committed, when it does not know where to read on. */
  async #position(log: Log, share: Membership): Promise<boolean> {
    if (this.#positions.has(log.name)) return true;
    const { adapter, recorder } = this.#stage;
    const answer = await recorder.call(async () => (await adapter.committed?.(this.#group, log.place)) ?? null);
    if (answer.outcome !== "ok" || this.#share !== share) return false;
    const offset = answer.value ?? -1;
    const committed = { kind: "committed", group: this.#group, member: share.member } as const;
    recorder.push({ ...committed, log: log.name, offset }, answer.invokedAt);
    if (offset >= 0) {
      this.#positions.set(log.name, offset);
      this.#committed.set(log.name, offset);
    } else {
      const bounds = await recorder.call(() => adapter.offsets(log.place));
      if (bounds.outcome !== "ok" || this.#share !== share) return false;
      this.#positions.set(log.name, bounds.value.logStartOffset);
    }
    return true;
  }

  async #read(log: Log, share: Membership, maxWaitMs: number): Promise<boolean> {
    const { adapter, recorder } = this.#stage;
    const from = this.#positions.get(log.name) as number;
    const answer = await recorder.call(() => adapter.read(log.place, { offset: from, maxWaitMs }));
    // A heartbeat's answer that came late has changed its share meanwhile: a client delivers nothing of that.
    if (this.#share !== share) return false;
    if (answer.outcome !== "ok") {
      // What lay there is deleted: it goes on where the log begins now.
      if (answer.code === "OFFSET_OUT_OF_RANGE") {
        const bounds = await recorder.call(() => adapter.offsets(log.place));
        if (bounds.outcome === "ok") this.#positions.set(log.name, bounds.value.logStartOffset);
      }
      return false;
    }
    const { records, ...rest } = answer.value;
    recorder.push(
      {
        ...{ kind: "read", process: this.#process, log: log.name, manner: "group", from, outcome: "ok" },
        ...{ group: this.#group, member: share.member, generation: share.generation },
        ...{ ...rest, records: records.map(toRead) },
      },
      answer.invokedAt,
    );
    this.#positions.set(log.name, rest.nextOffset);
    return true;
  }

  async #commit(log: Log, share: Membership): Promise<void> {
    const member = this.#member;
    const offset = this.#positions.get(log.name);
    if (member === null || offset === undefined || offset === this.#committed.get(log.name)) return;
    const answer = await this.#stage.recorder.call(() => member.commit(log.place, offset, share));
    this.#noteCommit(log, share, offset, answer);
    if (answer.outcome === "ok" && this.#share !== null) this.#committed.set(log.name, offset);
  }

  /** As the member that it was: it must be refused. */
  async #commitLate(log: Log): Promise<void> {
    const [member, former, share] = [this.#member, this.#former, this.#share];
    if (member === null || former === null || share === null) return;
    if (former.member !== share.member || former.generation >= share.generation) return;
    const offset = this.#committed.get(log.name);
    if (offset === undefined) return;
    const answer = await this.#stage.recorder.call(() => member.commit(log.place, offset, former));
    this.#noteCommit(log, former, offset, answer);
  }

  #noteCommit(
    log: Log,
    { member, generation }: Membership,
    offset: number,
    answer: { readonly outcome: "ok" | "fail" | "info"; readonly code?: string; readonly invokedAt: number },
  ): void {
    this.#stage.recorder.push(
      {
        ...{ kind: "commit", group: this.#group, member, generation, log: log.name, offset, outcome: answer.outcome },
        ...(answer.code === undefined ? {} : { code: answer.code }),
      },
      answer.invokedAt,
    );
  }

  #logOf({ topic, partition }: Place): Log {
    const found = this.#stage.logs.find(({ place }) => place.topic === topic && place.partition === partition);
    if (found === undefined) throw new Error(`${topic}-${partition} was assigned, and nobody asked for it`);
    return found;
  }
}

function endOf({ name }: Log, ends: ReadonlyMap<LogName, number>): number {
  return ends.get(name) ?? 0;
}
