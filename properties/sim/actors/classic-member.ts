// A consumer of the classic protocol: joins, assigns when it leads, heartbeats, gives all up before it joins again.
//
// Owns: one process after another of one member. Never: judges.

import { MemberIdRequiredError } from "../../subject.ts";
import type { ActorWorld, LogPlace } from "./actor.ts";
import type { Group } from "./group.ts";
import { Consumption, type MemberTraits, rebalanceTimeoutMs, sessionTimeoutMs, whimOf } from "./member.ts";

/** What a heartbeat or a commit was answered with, as far as it changes what the member does. */
type Next = "go on" | "join again" | "join anew" | "fenced";

export class ClassicMember {
  readonly #world: ActorWorld;
  readonly #group: Group;
  readonly #consumption: Consumption;
  readonly #traits: MemberTraits;
  #memberId = "";
  #beatAtMs = 0;

  constructor(world: ActorWorld, group: Group, traits: MemberTraits) {
    this.#world = world;
    this.#group = group;
    this.#traits = traits;
    this.#consumption = new Consumption(world, group, traits);
    group.enrol(traits.name);
  }

  get #instance(): string | null {
    return this.#traits.isStatic ? this.#traits.name : null;
  }

  async run(): Promise<void> {
    while (!this.#isOver()) {
      if (await this.#join()) await this.#live();
      else await this.#world.client.sleep(100 + 200 * this.#world.client.chance().next());
    }
    this.#consumption.giveUp();
  }

  #isOver(): boolean {
    return this.#world.isHealed() && this.#group.isConverged(this.#world.isDamaged);
  }

  /** True when it has its share. */
  async #join(): Promise<boolean> {
    const memberId = this.#memberId;
    const joined = await this.#consumption.ask(
      "join",
      (groups) =>
        groups.joinGroup({
          ...{ groupId: this.#group.id, memberId, groupInstanceId: this.#instance, protocolType: "consumer" },
          ...{ sessionTimeoutMs, rebalanceTimeoutMs, clientId: this.#traits.name, requireKnownMemberId: true },
          protocols: [{ name: "even", metadata: new Uint8Array([1]) }],
          supportsSkippingAssignment: true,
        }),
      rebalanceTimeoutMs + 4000,
    );
    if (joined.outcome !== "ok") {
      if (joined.outcome === "fail" && joined.error instanceof MemberIdRequiredError)
        this.#memberId = joined.error.memberId;
      else if (joined.outcome === "fail" && joined.code === "UNKNOWN_MEMBER_ID") this.#memberId = "";
      else if (joined.outcome === "fail" && joined.code === "FENCED_INSTANCE_ID") this.#memberId = "";
      return false;
    }
    const { generationId, leader, members, skipAssignment } = joined.value;
    this.#memberId = joined.value.memberId;
    const leads = leader === this.#memberId && !skipAssignment;
    const assignments = leads ? this.#assign(members.map((member) => member.memberId).sort()) : [];
    const identity = { memberId: this.#memberId, generationId, groupInstanceId: this.#instance };
    const { asking } = this.#consumption;
    const synced = await this.#consumption.ask(
      "sync",
      (groups) => groups.syncGroup({ groupId: this.#group.id, ...identity, assignments }),
      rebalanceTimeoutMs + 2000,
    );
    if (synced.outcome !== "ok") {
      if (synced.outcome === "fail" && synced.code === "UNKNOWN_MEMBER_ID") this.#memberId = "";
      return false;
    }
    const share = [...synced.value.assignment].map((at) => this.#group.logs[at] as LogPlace);
    this.#beatAtMs = this.#world.client.scheduler.nowMs;
    this.#consumption.take({ memberId: this.#memberId, generation: generationId }, share, asking);
    return true;
  }

  /** Never twice the same: who has what says which assignment it was. */
  #assign(members: readonly string[]): { readonly memberId: string; readonly assignment: Uint8Array }[] {
    const turn = this.#world.client.chance().below(members.length);
    const places = this.#group.logs.map((_, at) => at);
    return members.map((memberId, place) => ({
      memberId,
      assignment: Uint8Array.from(places.filter((at) => (at + turn) % members.length === place)),
    }));
  }

  async #live(): Promise<void> {
    const { client } = this.#world;
    const consumption = this.#consumption;
    const lives = (): boolean => true;
    for (;;) {
      if (this.#isOver()) return;
      const { whim, ms } = whimOf(this.#world);
      if (whim === "vanish" || whim === "leave") {
        await this.#end(whim, ms);
        return;
      }
      // A zombie: it goes on with what it had as if nothing had happened.
      if (whim === "pause") await client.sleep(ms);
      await consumption.rest();
      await consumption.poll(lives);
      let next: Next = "go on";
      if (client.chance().chance(0.4) || this.#world.isHealed()) next = after(await consumption.commit());
      consumption.report();
      if (next === "go on" && client.scheduler.nowMs - this.#beatAtMs > 1000) next = await this.#beat();
      if (next === "go on") continue;
      // What it has read it commits, if it still may, before others begin there.
      if (next === "join again") await consumption.commit();
      else this.#memberId = "";
      consumption.giveUp();
      return;
    }
  }

  async #beat(): Promise<Next> {
    const { identity } = this.#consumption;
    if (identity === null) return "join again";
    const { memberId, generation: generationId } = identity;
    const { asking } = this.#consumption;
    const answer = await this.#consumption.ask("heartbeat", (groups) =>
      groups.heartbeat({ groupId: this.#group.id, memberId, generationId, groupInstanceId: this.#instance }),
    );
    if (answer.outcome === "ok") {
      this.#beatAtMs = this.#world.client.scheduler.nowMs;
      this.#group.left(this.#traits.name, asking.ms);
    }
    return answer.outcome === "fail" ? after(answer.code) : "go on";
  }

  async #end(whim: "vanish" | "leave", ms: number): Promise<void> {
    const consumption = this.#consumption;
    const memberId = this.#memberId;
    consumption.giveUp();
    this.#world.coverage.add(`members that ${whim} (classic)`);
    if (whim === "leave") {
      const members = [{ memberId, groupInstanceId: this.#instance }];
      await consumption.ask("leave", (groups) => groups.leaveGroup({ groupId: this.#group.id, members }));
    }
    this.#memberId = "";
    await this.#world.client.sleep(ms);
  }
}

function after(code: string | null): Next {
  if (code === "REBALANCE_IN_PROGRESS" || code === "ILLEGAL_GENERATION") return "join again";
  if (code === "UNKNOWN_MEMBER_ID") return "join anew";
  return code === "FENCED_INSTANCE_ID" ? "fenced" : "go on";
}
