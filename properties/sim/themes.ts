// Plans about one thing each, beside those in which everything may happen.
//
// Owns: which few actors, configurations and faults come together often enough to meet what is rare otherwise:
//   swaps cut short, sequences that only a snapshot knows, segments deleted before they are synced ...
// Never: what the mixed plans are (plan.ts), or how anything is done.

import fc from "fast-check";
import type { AdminTask } from "./actors/admin.ts";
import {
  type ActorPlan,
  type Configs,
  chaosOf,
  evenly,
  type FaultPlan,
  luck,
  mixedPlans,
  type NodeMix,
  network,
  type SimConstraints,
  type SimPlan,
  type SimTopic,
} from "./plan.ts";

type Drawn<T> = fc.Arbitrary<T>;

/** One part of a theme, and how often it is taken. */
interface Choice<T> {
  readonly weight: number;
  readonly arbitrary: Drawn<T>;
}

interface Theme {
  readonly configs: Drawn<Configs>;
  readonly partitions?: readonly number[];
  readonly node?: Drawn<NodeMix>;
  readonly syncMs?: readonly number[];
  /** Always there. */
  readonly always?: readonly Drawn<ActorPlan>[];
  readonly actors: readonly Choice<ActorPlan>[];
  readonly faults: readonly Choice<FaultPlan>[];
  readonly mostFaults: number;
}

/** How many of 30 plans are about what. */
const weights = { mixed: 15, compaction: 4, producers: 3, retention: 2, reads: 1, groups: 2, deaths: 3 } as const;

const downMs = fc.constantFrom(0, 50, 1000);
const everyMs = fc.constantFrom(10, 20, 50, 100);

function parts(chaosMs: number) {
  const early = { luck, atMs: fc.integer({ min: 0, max: Math.floor(chaosMs / 4) }) };
  const any = { luck, atMs: fc.integer({ min: 0, max: chaosMs }) };
  const crash = (
    weight: number,
    again: Drawn<number[]> = fc.constant([]),
    ways: readonly ("crash" | "kill")[] = ["crash", "kill"],
  ): Choice<FaultPlan> => ({
    weight,
    arbitrary: fc.record({
      ...{ do: fc.constantFrom(...ways), ...any, downMs },
      afterWrites: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 60 })),
      again,
    }),
  });
  const restart: Choice<FaultPlan> = {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("restart" as const), ...any, downMs }),
  };
  /** An administrator who does one thing. */
  const administrator = (
    task: AdminTask,
    operations: Drawn<number>,
    everyMs: Drawn<number>,
  ): Drawn<Extract<ActorPlan, { readonly do: "administer" }>> =>
    fc.record({
      ...{ do: fc.constant("administer" as const), ...early, operations, everyMs },
      tasks: fc.constant([task]),
    });
  return { early, any, crash, restart, administrator };
}

function theme(chaosMs: number, of: Theme): Drawn<SimPlan> {
  const { configs, partitions = [1, 1, 2], syncMs = [1, 8, 30], node, always = [], actors, faults, mostFaults } = of;
  const topic: Drawn<SimTopic> = fc.record({ partitions: fc.constantFrom(...partitions), configs });
  const others = fc.array(fc.oneof(evenly, ...actors), { minLength: 1, maxLength: 6, size: "max" });
  return fc.record({
    ...{ seed: luck, chaosMs: chaosOf(chaosMs), topics: fc.array(topic, { minLength: 1, maxLength: 1 }), network },
    disk: fc.record({ syncMs: fc.constantFrom(...syncMs), otherMs: fc.constantFrom(0.2, 2) }),
    ...(node === undefined ? {} : { node }),
    actors: fc.tuple(fc.tuple(...always), others).map(([all, some]) => [...all, ...some]),
    faults: fc.array(fc.oneof(evenly, ...faults), { minLength: 0, maxLength: mostFaults, size: "max" }),
  });
}

// ---- compaction ----------------------------------------------------------------------------

function compaction(chaosMs: number): Drawn<SimPlan> {
  const { early, any, crash, administrator } = parts(chaosMs);
  const behindMs = fc.constantFrom(0, 0, 3_600_000);
  const producer = { ...early, log: fc.constant(0), acks: fc.constant("all" as const), behindMs };
  return theme(chaosMs, {
    configs: fc.record({
      ...{ "cleanup.policy": fc.constant("compact"), "min.cleanable.dirty.ratio": fc.constant(0) },
      ...{
        "segment.bytes": fc.constantFrom(700, 700, 1500, 4096),
        "index.interval.bytes": fc.constantFrom(0, 100, 4096),
      },
      "delete.retention.ms": fc.constantFrom(0, 10_000, 120_000, 120_000, 120_000, 86_400_000),
    }),
    partitions: [1],
    node: fc.record({ mapKeys: fc.constantFrom(2, 3, 5, 100) }),
    always: [administrator("compaction", fc.constant(300), fc.constantFrom(100, 400, 2000))],
    actors: [
      {
        weight: 2,
        arbitrary: fc.record({
          ...{ do: fc.constant("produce" as const), ...producer, operations: fc.integer({ min: 5, max: 300 }) },
          everyMs: fc.constantFrom(20, 100, 400),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          ...{ do: fc.constant("produce idempotently" as const), ...producer },
          ...{ operations: fc.integer({ min: 1, max: 60 }), everyMs: fc.constantFrom(20, 100, 400) },
          ...{ window: fc.constant(1), inOrder: fc.boolean(), wraps: fc.constantFrom(false, false, true) },
          doubts: fc.constant(true),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          ...{ do: fc.constant("read" as const), ...early, log: fc.constant(0), everyMs, raw: fc.constant(false) },
          ...{ maxWaitMs: fc.constant(100), limit: fc.constantFrom(5, 500) },
        }),
      },
    ],
    faults: [
      {
        weight: 5,
        arbitrary: fc.record({
          ...{ do: fc.constant("crash" as const), ...any, downMs, in: fc.constant("swap" as const) },
          afterWrites: fc.oneof(fc.integer({ min: 1, max: 14 }), fc.integer({ min: 1, max: 50 })),
          again: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 1 }),
        }),
      },
      crash(2),
      {
        weight: 3,
        arbitrary: fc.record({
          ...{ do: fc.constant("restart" as const), ...any, downMs },
          without: fc.subarray(["snapshots", "indexes", "cleaner point"] as const, { minLength: 1 }),
        }),
      },
    ],
    mostFaults: 8,
  });
}

// ---- producers -----------------------------------------------------------------------------

function producers(chaosMs: number): Drawn<SimPlan> {
  const { early, any, crash, restart, administrator } = parts(chaosMs);
  const log = fc.constantFrom(0, 0, 1);
  const operations = fc.integer({ min: 20, max: 300 });
  return theme(chaosMs, {
    configs: fc.record({
      "segment.bytes": fc.constantFrom(700, 700, 700, 1500, 20_000),
      "index.interval.bytes": fc.constantFrom(0, 100, 4096),
    }),
    actors: [
      {
        weight: 2,
        arbitrary: fc.record({
          ...{ do: fc.constant("produce" as const), ...early, log, operations, everyMs },
          ...{ acks: fc.constantFrom("all" as const, "leader" as const), window: fc.constantFrom(2, 3, 5) },
        }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          ...{ do: fc.constant("produce idempotently" as const), ...early, log, operations, everyMs },
          ...{ acks: fc.constantFrom("all" as const, "all" as const, "leader" as const) },
          ...{ window: fc.constantFrom(1, 2, 5), inOrder: fc.boolean(), wraps: fc.constantFrom(false, false, true) },
          zombies: fc.constantFrom(false, true),
        }),
      },
      { weight: 1, arbitrary: administrator("allocate", operations, everyMs) },
    ],
    // Rolls are under way when power goes: some of what belongs together is there then.
    faults: [
      crash(4, fc.constant([]), ["crash", "crash", "kill"]),
      {
        weight: 5,
        arbitrary: fc.record({
          ...{ do: fc.constant("crash" as const), ...any, downMs, again: fc.constant([]) },
          ...{ in: fc.constant("roll" as const), afterWrites: fc.integer({ min: 1, max: 6 }) },
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          ...{ do: fc.constant("fail disk" as const), ...any, kind: fc.constant("create" as const) },
          count: fc.integer({ min: 1, max: 4 }),
        }),
      },
      { ...restart, weight: 1 },
    ],
    mostFaults: 24,
    syncMs: [8, 30, 60],
  });
}

// ---- retention -----------------------------------------------------------------------------

/** Segments that are closed and not yet synced when their time has come, and syncs that fail then. */
function retention(chaosMs: number): Drawn<SimPlan> {
  const { early, any, crash, restart, administrator } = parts(chaosMs);
  return theme(chaosMs, {
    configs: fc.record({
      ...{ "segment.bytes": fc.constantFrom(700, 1500), "index.interval.bytes": fc.constantFrom(0, 4096) },
      ...{ "retention.bytes": fc.constantFrom(-1, 0, 0, 1000), "retention.ms": fc.constantFrom(-1, 1000, 5000) },
    }),
    partitions: [1],
    always: [administrator("retention, and a look", fc.constant(1000), fc.constantFrom(20, 50, 200))],
    actors: [
      {
        weight: 4,
        arbitrary: fc.record({
          ...{
            do: fc.constant("produce" as const),
            ...early,
            log: fc.constant(0),
            everyMs: fc.constantFrom(10, 20, 100),
          },
          ...{ operations: fc.integer({ min: 50, max: 600 }), window: fc.constantFrom(1, 3, 5) },
          acks: fc.constantFrom("leader" as const, "leader" as const, "all" as const),
          behindMs: fc.constantFrom(0, 3_600_000),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          ...{ do: fc.constant("read" as const), ...early, log: fc.constant(0), everyMs, raw: fc.boolean() },
          ...{ maxWaitMs: fc.constantFrom(0, 100), limit: fc.constantFrom(5, 500) },
        }),
      },
    ],
    faults: [
      {
        weight: 1,
        arbitrary: fc.record({
          ...{ do: fc.constant("stall disk" as const), ...any, forMs: fc.constantFrom(1000, 4000) },
        }),
      },
      {
        weight: 6,
        arbitrary: fc.record({
          ...{ do: fc.constant("fail disk" as const), ...any, kind: fc.constant("sync log" as const) },
          count: fc.constant(1),
        }),
      },
      crash(3),
      { ...restart, weight: 4 },
    ],
    mostFaults: 16,
    syncMs: [30, 60, 200],
  });
}

// ---- reads ---------------------------------------------------------------------------------

function reads(chaosMs: number): Drawn<SimPlan> {
  const { early, crash } = parts(chaosMs);
  const log = fc.constantFrom(0, 0, 1);
  return theme(chaosMs, {
    configs: fc.record({
      ...{
        "segment.bytes": fc.constantFrom(700, 4096, 1_000_000),
        "index.interval.bytes": fc.constantFrom(0, 100, 4096),
      },
      "message.timestamp.type": fc.constantFrom("CreateTime", "LogAppendTime"),
    }),
    partitions: [1, 2],
    actors: [
      {
        weight: 1,
        arbitrary: fc.record({
          ...{
            do: fc.constant("produce" as const),
            ...early,
            log,
            everyMs,
            operations: fc.integer({ min: 50, max: 300 }),
          },
          acks: fc.constantFrom("leader" as const, "all" as const),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          ...{ do: fc.constant("read" as const), ...early, log, everyMs, raw: fc.constant(true) },
          ...{ maxWaitMs: fc.constantFrom(0, 100), limit: fc.constantFrom(5, 50, 500) },
          holdMs: fc.constantFrom(2, 20, 200),
        }),
      },
    ],
    faults: [crash(1)],
    mostFaults: 3,
  });
}

// ---- groups --------------------------------------------------------------------------------

function groups(chaosMs: number): Drawn<SimPlan> {
  const { early, crash, restart } = parts(chaosMs);
  return theme(chaosMs, {
    configs: fc.record({ "segment.bytes": fc.constantFrom(4096, 1_000_000) }),
    partitions: [1, 2, 4],
    node: fc.record({ offsetsCheckMs: fc.constantFrom(1000, 4000) }),
    actors: [
      {
        weight: 1,
        arbitrary: fc.record({
          ...{
            do: fc.constant("produce" as const),
            ...early,
            log: fc.constantFrom(0, 1, 2, 3),
            acks: fc.constant("all" as const),
          },
          ...{ everyMs: fc.constantFrom(50, 200), operations: fc.integer({ min: 20, max: 200 }) },
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          ...{ do: fc.constant("keep offsets" as const), ...early, log: fc.constantFrom(0, 1, 2, 3) },
          ...{ everyMs: fc.constantFrom(20, 200, 1000), operations: fc.integer({ min: 5, max: 150 }) },
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          ...{ do: fc.constant("consume" as const), ...early, everyMs: fc.constantFrom(50, 200) },
          protocol: fc.constantFrom("classic" as const, "consumer" as const),
          ...{ isStatic: fc.constantFrom(false, false, true), limit: fc.constantFrom(5, 500) },
        }),
      },
    ],
    faults: [crash(3), restart],
    mostFaults: 8,
  });
}

// ---- deaths --------------------------------------------------------------------------------

/** Processes that die, and power that goes while the next one takes over what they left. */
function deaths(chaosMs: number): Drawn<SimPlan> {
  const { early, any, crash, restart } = parts(chaosMs);
  const write = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 }));
  const again = fc.array(write, { minLength: 1, maxLength: 2 });
  const log = fc.constantFrom(0, 0, 1);
  return theme(chaosMs, {
    configs: fc.record({
      "segment.bytes": fc.constantFrom(700, 4096, 1_000_000),
      "index.interval.bytes": fc.constantFrom(0, 4096),
    }),
    actors: [
      {
        weight: 2,
        arbitrary: fc.record({
          ...{
            do: fc.constant("produce" as const),
            ...early,
            log,
            everyMs,
            operations: fc.integer({ min: 50, max: 300 }),
          },
          ...{ acks: fc.constantFrom("leader" as const, "all" as const), window: fc.constantFrom(1, 3) },
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          ...{ do: fc.constant("produce idempotently" as const), ...early, log, everyMs },
          ...{ operations: fc.integer({ min: 50, max: 300 }), acks: fc.constant("all" as const) },
          ...{ window: fc.constantFrom(1, 5), inOrder: fc.constant(true), wraps: fc.constant(false) },
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          ...{ do: fc.constant("read" as const), ...early, log, everyMs, raw: fc.boolean() },
          ...{ maxWaitMs: fc.constantFrom(0, 100), limit: fc.constantFrom(5, 500) },
        }),
      },
    ],
    faults: [
      crash(5, again),
      {
        weight: 2,
        arbitrary: fc.record({
          ...{ do: fc.constant("crash" as const), ...any, downMs, again: fc.constant([]) },
          ...{ afterWrites: fc.integer({ min: 1, max: 8 }), inVain: fc.integer({ min: 1, max: 4 }) },
        }),
      },
      {
        // What the process left is shown by two starts, of which one can't sync it, and then the power goes.
        weight: 2,
        arbitrary: fc.record({
          ...{ do: fc.constant("kill" as const), ...any, downMs, again: fc.constant([0]) },
          ...{ afterWrites: fc.integer({ min: 1, max: 8 }), inVain: fc.constant("sync" as const) },
        }),
      },
      restart,
    ],
    mostFaults: 14,
  });
}

function themes({ chaosMs = 60_000 }: SimConstraints): Choice<SimPlan>[] {
  return [
    { weight: weights.compaction, arbitrary: compaction(chaosMs) },
    { weight: weights.producers, arbitrary: producers(chaosMs) },
    { weight: weights.retention, arbitrary: retention(chaosMs) },
    { weight: weights.reads, arbitrary: reads(chaosMs) },
    { weight: weights.groups, arbitrary: groups(chaosMs) },
    { weight: weights.deaths, arbitrary: deaths(chaosMs) },
  ];
}

/** Only those about one thing each. */
export function themedPlans(constraints: SimConstraints = {}): Drawn<SimPlan> {
  return fc.oneof(evenly, ...themes(constraints));
}

/** What a seed is drawn from. */
export function simPlans(constraints: SimConstraints = {}): Drawn<SimPlan> {
  const mixed = { weight: weights.mixed, arbitrary: mixedPlans(constraints) };
  return fc.oneof(evenly, mixed, ...themes(constraints));
}
