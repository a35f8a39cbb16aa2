// An administrator: creates and deletes topics, deletes records, alters configs, runs retention and compaction.
//
// Owns: what it asks for, and the record of each outcome. Never: judges.

import { partitionOf } from "../auditor.ts";
import type { ActorWorld, LogPlace } from "./actor.ts";

type ConfigChanges = Readonly<Record<string, number>>;

export interface AdminTraits {
  readonly name: string;
  readonly logs: readonly LogPlace[];
  readonly operations: number;
  readonly everyMs: number;
  /** Only these. */
  readonly tasks?: readonly AdminTask[];
}

export type AdminTask =
  | "delete records"
  | "retention"
  | "compaction"
  | "alter"
  | "create topic"
  | "delete topic"
  | "allocate"
  | "retention, and a look";

const allTasks: readonly AdminTask[] = [
  ...(["delete records", "retention", "retention", "compaction", "compaction"] as const),
  ...(["alter", "create topic", "delete topic", "allocate"] as const),
];

export class Admin {
  readonly #world: ActorWorld;
  readonly #traits: AdminTraits;
  readonly #topics: { readonly name: string; readonly id: string }[] = [];
  #created = 0;
  readonly #passes: Set<{ readonly life: number }> = new Set();

  constructor(world: ActorWorld, traits: AdminTraits) {
    this.#world = world;
    this.#traits = traits;
  }

  async run(): Promise<void> {
    const { client, recorder, isHealed } = this.#world;
    const { tasks = allTasks } = this.#traits;
    for (let operation = 0; operation < this.#traits.operations && !isHealed(); operation++) {
      await client.pause(this.#traits.everyMs);
      const chance = client.chance();
      const log = chance.pick(this.#traits.logs);
      client.begins();
      await this.#do(chance.pick(tasks), log);
    }
    if (this.#traits.tasks === undefined) return;
    // Whoever looks when all is quiet finds no pass at work.
    while ([...this.#passes].some(({ life }) => life === recorder.life)) await client.sleep(20);
  }

  async #do(task: AdminTask, log: LogPlace): Promise<void> {
    switch (task) {
      case "delete records":
        return this.#deleteRecords(log);
      case "retention":
        return this.#retain({ looks: false });
      case "compaction": {
        const answer = await this.#world.client.ask("compaction", (broker) => this.#watched(broker.runCompaction()));
        const removed = answer.outcome === "ok" ? answer.value.recordsRemoved : 0;
        this.#world.coverage.add("records compacted away", removed);
        return this.#world.coverage.add(`compaction ${answer.outcome}`);
      }
      case "alter": {
        const choices: readonly ConfigChanges[] = [
          { "segment.bytes": 1000 },
          { "segment.bytes": 8000 },
          { "index.interval.bytes": 50 },
          { "segment.ms": 3000 },
        ];
        const configs = this.#world.client.chance().pick(choices);
        const answer = await this.#world.client.ask("alter", (broker) => broker.alterTopic(log.topic, { configs }));
        return this.#world.coverage.add(`topics altered ${answer.outcome}`);
      }
      case "create topic":
        return this.#create();
      case "delete topic":
        return this.#delete();
      case "allocate":
        return this.#allocate();
      case "retention, and a look":
        return this.#retain({ looks: true });
    }
  }

  /** Of compacted logs none: what compaction may take is told from what it must not by offsets. */
  async #deleteRecords(log: LogPlace): Promise<void> {
    const { client, recorder } = this.#world;
    const bounds = await client.ask("offsets", async (broker) => broker.offsets(log.topic, log.partition));
    if (bounds.outcome !== "ok") return;
    const { earliest, latest } = bounds.value;
    const chance = client.chance();
    const before = chance.chance(0.1) ? -1 : earliest + Math.floor((latest - earliest) * chance.next() * 0.6);
    const invokedAt = recorder.now;
    const answer = await client.ask(
      `delete records of ${log.name}`,
      (broker) => broker.deleteRecords(log.topic, log.partition, before),
      // All that is there: a second time that is more.
      before < 0 ? { once: true } : {},
    );
    recorder.push(
      {
        ...{ kind: "delete records", log: log.name, before, outcome: answer.outcome },
        ...(answer.outcome === "ok" ? { logStartOffset: answer.value } : { code: answer.code }),
      },
      invokedAt,
    );
  }

  /** `looks`: the answer says how every log stands then, in the middle of everything. */
  async #retain({ looks }: { readonly looks: boolean }): Promise<void> {
    const { client, recorder } = this.#world;
    const nowMs = this.#world.wallMs();
    const invokedAt = recorder.now;
    const answer = await client.ask("retention", async (broker) => {
      const deleted = await this.#watched(broker.runRetention());
      return { deleted, seen: looks ? this.#traits.logs.map((log) => ({ log, as: partitionOf(broker, log) })) : [] };
    });
    for (const { name } of this.#traits.logs) {
      recorder.push(
        {
          ...{ kind: "retention", log: name, outcome: answer.outcome, alone: false, nowMs },
          ...{ retentionMs: -1, retentionBytes: -1, segments: [], logStartOffset: 0, highWatermark: 0 },
        },
        invokedAt,
      );
    }
    if (answer.outcome !== "ok") return;
    this.#world.coverage.add("segments deleted by retention", answer.value.deleted);
    // What a life was like that is over belongs before its end.
    if (answer.isStale) return;
    for (const { log, as } of answer.value.seen) {
      if (as === null) continue;
      const { state, logStartOffset, highWatermark, lastStableOffset, logEndOffset, segments } = as;
      recorder.push(
        {
          ...{ kind: "describe", log: log.name, state, logStartOffset, highWatermark },
          ...{ lastStableOffset, logEndOffset, segments, quiet: false },
        },
        invokedAt,
      );
      this.#world.coverage.add("looks in the middle of everything");
    }
  }

  /** What nobody waits for any more is under way all the same. */
  async #watched<T>(pass: Promise<T>): Promise<T> {
    const own = { life: this.#world.recorder.life };
    this.#passes.add(own);
    try {
      return await pass;
    } finally {
      this.#passes.delete(own);
    }
  }

  async #create(): Promise<void> {
    const { client, recorder } = this.#world;
    const name = `${this.#traits.name}-extra${this.#created++}`;
    const invokedAt = recorder.now;
    const answer = await client.ask(`create ${name}`, (broker) => broker.createTopic(name, { partitions: 1 }));
    recorder.push(
      {
        ...{ kind: "create topic", topic: name, outcome: answer.outcome },
        ...(answer.outcome === "ok" ? { id: answer.value.id } : { code: answer.code }),
      },
      invokedAt,
    );
    if (answer.outcome === "ok") this.#topics.push({ name, id: answer.value.id });
  }

  async #delete(): Promise<void> {
    const { client, recorder } = this.#world;
    const topic = this.#topics.shift();
    if (topic === undefined) return;
    const invokedAt = recorder.now;
    const answer = await client.ask(`delete ${topic.name}`, (broker) => broker.deleteTopic(topic.name), { once: true });
    recorder.push(
      {
        ...{ kind: "delete topic", topic: topic.name, id: topic.id, outcome: answer.outcome },
        ...(answer.outcome === "ok" ? {} : { code: answer.code }),
      },
      invokedAt,
    );
    if (answer.outcome === "fail") this.#topics.push(topic);
  }

  async #allocate(): Promise<void> {
    const { client, recorder } = this.#world;
    const invokedAt = recorder.now;
    const answer = await client.ask("allocate a producer", (broker) => broker.allocateProducer());
    const id = answer.outcome === "ok" ? { producerId: answer.value.producerId } : {};
    recorder.push({ kind: "allocate producer", outcome: answer.outcome, ...id }, invokedAt);
  }
}
