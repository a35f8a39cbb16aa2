// Who counts for himself, and keeps the count as an offset that is committed for a group without members.
//
// Owns: commits that are under way together, and the questions asked as soon as one is acknowledged.
// Never: judges, or reads what it commits.

import type { Broker } from "../../subject.ts";
import type { Answer } from "../client.ts";
import type { Channel } from "../network.ts";
import type { ActorWorld, LogPlace } from "./actor.ts";

export interface KeeperTraits {
  readonly name: string;
  readonly log: LogPlace;
  readonly operations: number;
  readonly everyMs: number;
}

const mostTogether = 3;
const questionsAtTheEnd = 200;

export class Keeper {
  readonly #world: ActorWorld;
  readonly #traits: KeeperTraits;
  readonly #channel: Channel = { lastArrivalMs: 0 };
  #count = 0;

  constructor(world: ActorWorld, traits: KeeperTraits) {
    this.#world = world;
    this.#traits = traits;
  }

  async run(): Promise<void> {
    const { client, isHealed } = this.#world;
    const { operations, everyMs } = this.#traits;
    for (let operation = 0; operation < operations && !isHealed(); ) {
      await client.pause(everyMs);
      const together = 1 + client.chance().below(mostTogether);
      operation += together;
      const work: Promise<void>[] = [];
      while (work.length < together) {
        work.push(this.#commit());
        await client.sleep(4 * client.chance().next());
      }
      await Promise.all(work);
    }
    for (let attempt = 0; attempt < questionsAtTheEnd; attempt++) if (await this.#ask()) return;
  }

  async #commit(): Promise<void> {
    const { recorder, coverage } = this.#world;
    const { name, log } = this.#traits;
    this.#count += 1;
    const offset = this.#count;
    const invokedAt = recorder.now;
    const { id } = this;
    const partitions = [{ partitionIndex: log.partition, committedOffset: offset }];
    const answer = await this.#call("commit", (broker) =>
      broker.groups.commitOffsets({ groupId: id, topics: [{ name: log.topic, partitions }] }),
    );
    const error = answer.outcome === "ok" ? answer.value[0]?.partitions[0]?.error : undefined;
    const outcome =
      answer.outcome !== "ok"
        ? { outcome: answer.outcome, code: answer.code }
        : error == null
          ? { outcome: "ok" as const }
          : { outcome: error.effect === "none" ? ("fail" as const) : ("info" as const), code: error.code };
    recorder.push(
      { kind: "commit", group: id, member: name, generation: -1, log: log.name, offset, ...outcome },
      invokedAt,
    );
    coverage.add(`commits by keepers ${outcome.outcome}`);
    if (outcome.outcome === "ok") await this.#ask();
  }

  /** False when there was no answer. */
  async #ask(): Promise<boolean> {
    const { recorder } = this.#world;
    const { log } = this.#traits;
    const askedAt = recorder.now;
    const { id } = this;
    const answer = await this.#call("fetch offsets", (broker) =>
      broker.groups.fetchOffsets({ groupId: id, topics: [{ name: log.topic, partitionIndexes: [log.partition] }] }),
    );
    if (answer.outcome !== "ok") return false;
    const offset = answer.value.topics[0]?.partitions[0]?.committedOffset ?? -1;
    recorder.push({ kind: "committed", group: id, log: log.name, offset }, askedAt);
    return true;
  }

  get id(): string {
    return `kept by ${this.#traits.name}`;
  }

  #call<T>(what: string, request: (broker: Broker) => Promise<T>): Promise<Answer<T>> {
    const { client } = this.#world;
    client.begins();
    return client.ask(`${what} by ${this.#traits.name}`, request, { channel: this.#channel });
  }
}
