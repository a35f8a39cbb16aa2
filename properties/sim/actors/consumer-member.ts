// A consumer of the consumer protocol (KIP-848): says what it has, does as it is told.
//
// Owns: one process after another of one member. Never: judges.

import type { TopicPartitions } from "../../subject.ts";
import type { ActorWorld, LogPlace } from "./actor.ts";
import type { Group } from "./group.ts";
import { Consumption, type MemberTraits, rebalanceTimeoutMs, sessionTimeoutMs, whimOf } from "./member.ts";

const beatMs = 500;
const lostIt: ReadonlySet<string> = new Set(["FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID", "GROUP_ID_NOT_FOUND"]);

export class ConsumerMember {
  readonly #world: ActorWorld;
  readonly #group: Group;
  readonly #consumption: Consumption;
  readonly #traits: MemberTraits;
  #process = 0;
  #epoch = 0;
  #isFull = true;
  #beatAtMs = Number.NEGATIVE_INFINITY;

  constructor(world: ActorWorld, group: Group, traits: MemberTraits) {
    this.#world = world;
    this.#group = group;
    this.#traits = traits;
    this.#consumption = new Consumption(world, group, traits);
    group.enrol(traits.name);
  }

  get #memberId(): string {
    return `${this.#traits.name}-${this.#process}`;
  }

  async run(): Promise<void> {
    const { client } = this.#world;
    const consumption = this.#consumption;
    while (!(this.#world.isHealed() && this.#group.isConverged(this.#world.isDamaged))) {
      const { whim, ms } = whimOf(this.#world);
      if (whim === "vanish" || whim === "leave") await this.#end(whim, ms);
      // A zombie: it goes on with what it had as if nothing had happened.
      if (whim === "pause") await client.sleep(ms);
      await consumption.rest();
      if (client.scheduler.nowMs - this.#beatAtMs >= beatMs) await this.#beat();
      const process = this.#process;
      await consumption.poll(() => this.#process === process && this.#epoch > 0);
      if (this.#epoch > 0 && (client.chance().chance(0.4) || this.#world.isHealed())) await this.#commit();
      consumption.report();
    }
    consumption.giveUp();
  }

  async #commit(): Promise<void> {
    const refusal = await this.#consumption.commit();
    if (refusal !== null && lostIt.has(refusal)) this.#lose();
  }

  async #beat(): Promise<void> {
    const { scheduler } = this.#world.client;
    const memberEpoch = this.#epoch;
    const isFull = this.#isFull || memberEpoch === 0;
    this.#beatAtMs = scheduler.nowMs;
    const { asking } = this.#consumption;
    const answer = await this.#consumption.ask("heartbeat", (groups) =>
      groups.consumerGroupHeartbeat({
        ...{ groupId: this.#group.id, memberId: this.#memberId, memberEpoch },
        instanceId: this.#traits.isStatic ? this.#traits.name : null,
        ...(isFull ? { rebalanceTimeoutMs, subscribedTopicNames: this.#topics() } : {}),
        topicPartitions: this.#owned(),
      }),
    );
    if (answer.outcome !== "ok") {
      this.#isFull = true;
      if (answer.outcome === "fail") this.#world.coverage.add(`heartbeats refused ${answer.code}`);
      if (answer.outcome === "fail" && lostIt.has(answer.code)) this.#lose();
      return;
    }
    this.#isFull = false;
    const { assignment } = answer.value;
    this.#epoch = answer.value.memberEpoch;
    const identity = { memberId: this.#memberId, generation: this.#epoch };
    if (assignment === null) {
      this.#consumption.identity = identity;
      this.#group.left(this.#traits.name, asking.ms);
      return;
    }
    const share = assignment.flatMap(({ topicId, partitions }) =>
      partitions.flatMap((at) => this.#group.logs.find((log) => log.topicId === topicId && log.partition === at) ?? []),
    );
    // What was read of those that it loses is committed first.
    if (this.#consumption.share.some((log) => !share.includes(log))) await this.#commit();
    if (this.#epoch === identity.generation) this.#consumption.take(identity, share, asking);
  }

  #lose(): void {
    this.#consumption.giveUp();
    this.#epoch = 0;
    this.#isFull = true;
    this.#beatAtMs = Number.NEGATIVE_INFINITY;
  }

  #topics(): string[] {
    return [...new Set(this.#group.logs.map(({ topic }) => topic))];
  }

  #owned(): TopicPartitions[] {
    const owned = new Map<string, number[]>();
    for (const { topicId, partition } of this.#consumption.share as readonly LogPlace[]) {
      owned.set(topicId, [...(owned.get(topicId) ?? []), partition]);
    }
    return [...owned].map(([topicId, partitions]) => ({ topicId, partitions }));
  }

  async #end(whim: "vanish" | "leave", ms: number): Promise<void> {
    const memberId = this.#memberId;
    const wasMember = this.#epoch > 0;
    this.#lose();
    this.#process += 1;
    this.#world.coverage.add(`members that ${whim} (consumer)`);
    if (whim === "leave" && wasMember) {
      const memberEpoch = this.#traits.isStatic && ms < sessionTimeoutMs ? -2 : -1;
      const instanceId = this.#traits.isStatic ? this.#traits.name : null;
      await this.#consumption.ask("leave", (groups) =>
        groups.consumerGroupHeartbeat({ groupId: this.#group.id, memberId, memberEpoch, instanceId }),
      );
    }
    await this.#world.client.sleep(ms);
  }
}
