// What a simulated run will do, as data: fast-check draws it, shrinks it and prints it.
//
// Owns: configuration, who takes part, and which faults come when; how likely each is.
// Never: acts (simulation.ts). Each part has its own luck, so that leaving one out while shrinking
//   leaves the others' as it was.
//
// Each seed draws its own mix: most have no failing disk, many a perfect network (swarm testing).

import fc from "fast-check";
import type { AdminTask } from "./actors/admin.ts";
import type { DiskMix, FailingKind, Within } from "./disk.ts";
import type { LostFiles } from "./lost-files.ts";
import type { NetworkMix } from "./network.ts";

export type Configs = Readonly<Record<string, string | number>>;

export interface SimTopic {
  readonly partitions: number;
  readonly configs: Configs;
}

interface Part {
  readonly luck: number;
  /** When it begins. Virtual milliseconds. */
  readonly atMs: number;
}

export type ActorPlan = Part &
  (
    | {
        readonly do: "produce";
        readonly log: number;
        readonly operations: number;
        readonly everyMs: number;
        readonly acks: "all" | "leader" | "none";
        /** Batches in flight at once, on one connection. */
        readonly window?: number;
        readonly behindMs?: number;
      }
    | {
        readonly do: "produce idempotently";
        readonly log: number;
        readonly operations: number;
        readonly everyMs: number;
        readonly acks: "all" | "leader";
        readonly window: number;
        readonly inOrder: boolean;
        readonly wraps: boolean;
        readonly behindMs?: number;
        readonly doubts?: boolean;
        readonly zombies?: boolean;
      }
    | {
        readonly do: "read";
        readonly log: number;
        readonly everyMs: number;
        readonly maxWaitMs: number;
        readonly limit: number;
        readonly raw: boolean;
        readonly holdMs?: number;
      }
    | {
        readonly do: "consume";
        readonly protocol: "classic" | "consumer";
        readonly isStatic: boolean;
        readonly everyMs: number;
        readonly limit: number;
      }
    | { readonly do: "keep offsets"; readonly log: number; readonly operations: number; readonly everyMs: number }
    | {
        readonly do: "administer";
        readonly operations: number;
        readonly everyMs: number;
        readonly tasks?: readonly AdminTask[];
      }
  );

export type FaultPlan = Part &
  (
    | {
        readonly do: "crash" | "kill";
        /** At this write of the disk from then on; 0: at once. */
        readonly afterWrites: number;
        readonly downMs: number;
        /** It goes again at this write of each start that follows; 0: as soon as that is over. */
        readonly again: readonly number[];
        /** A start comes first in which this read of a log fails, or the sync of what it found, and an orderly stop. */
        readonly inVain?: number | "sync";
        readonly in?: Within;
      }
    | { readonly do: "restart"; readonly downMs: number; readonly without?: readonly LostFiles[] }
    | { readonly do: "pause" | "stall disk" | "fill disk"; readonly forMs: number }
    | {
        readonly do: "partition" | "clog";
        readonly forMs: number;
        /** Whose link: one actor's, which its luck chooses, or everybody's. */
        readonly of: "one" | "all";
        readonly way: "both" | "requests" | "answers";
      }
    | { readonly do: "fail disk"; readonly kind: FailingKind; readonly count: number }
    /** Power goes, and bytes at rest are not what they were when it comes back. */
    | { readonly do: "rot" | "misdirect"; readonly downMs: number }
    | { readonly do: "jump clock"; readonly byMs: number }
  );

/** How the broker is configured; what is left out is as it is by default. */
export interface NodeMix {
  /** Keys that a pass of compaction has room for. Then all is compacted before the last audit, too. */
  readonly mapKeys?: number;
  /** How often the coordinator looks for offsets that have expired. */
  readonly offsetsCheckMs?: number;
}

export interface SimPlan {
  readonly seed: number;
  /** How long chaos lasts. Virtual milliseconds. */
  readonly chaosMs: number;
  readonly topics: readonly SimTopic[];
  readonly network: NetworkMix;
  readonly disk: DiskMix;
  readonly node?: NodeMix;
  readonly actors: readonly ActorPlan[];
  readonly faults: readonly FaultPlan[];
}

export interface SimConstraints {
  readonly chaosMs?: number;
  readonly maxActors?: number;
}

export const luck: fc.Arbitrary<number> = fc.noShrink(fc.integer({ min: 0, max: 0x7fffffff }));
const everyMs = fc.constantFrom(10, 20, 50, 100, 200, 400);
/** The first partition most of the time, so that much happens to one. */
const log = fc.constantFrom(0, 0, 0, 1, 2);
/** Without it fast-check prefers the first of several. */
export const evenly: { readonly depthSize: "max" } = { depthSize: "max" };

const common = {
  "segment.bytes": fc.constantFrom(700, 1500, 4096, 20_000, 1_000_000),
  "segment.ms": fc.constantFrom(604_800_000, 604_800_000, 300_000, 5000),
  "index.interval.bytes": fc.constantFrom(0, 100, 400, 4096),
  "message.timestamp.type": fc.constantFrom("CreateTime", "CreateTime", "LogAppendTime"),
};
const configs: fc.Arbitrary<Configs> = fc.oneof(
  evenly,
  {
    weight: 3,
    arbitrary: fc.record({
      ...common,
      "retention.ms": fc.constantFrom(-1, -1, 900_000, 5000),
      "retention.bytes": fc.constantFrom(-1, -1, -1, 3000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...common,
      "cleanup.policy": fc.constant("compact"),
      "min.cleanable.dirty.ratio": fc.constant(0),
      "delete.retention.ms": fc.constantFrom(0, 10_000, 86_400_000),
    }),
  },
);

function actor(chaosMs: number): fc.Arbitrary<ActorPlan> {
  const part = { luck, atMs: fc.integer({ min: 0, max: Math.floor(chaosMs / 2) }) };
  const operations = fc.integer({ min: 1, max: 300 });
  return fc.oneof(
    evenly,
    {
      weight: 3,
      arbitrary: fc.record({
        ...{ do: fc.constant("produce" as const), ...part, log, operations, everyMs },
        acks: fc.constantFrom("all" as const, "all" as const, "leader" as const, "none" as const),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        ...{ do: fc.constant("produce idempotently" as const), ...part, log, operations, everyMs },
        acks: fc.constantFrom("all" as const, "all" as const, "all" as const, "leader" as const),
        window: fc.constantFrom(1, 1, 2, 5),
        inOrder: fc.boolean(),
        wraps: fc.constantFrom(false, false, true),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        ...{ do: fc.constant("read" as const), ...part, log, everyMs },
        maxWaitMs: fc.constantFrom(0, 100, 500),
        limit: fc.constantFrom(1, 5, 50, 500),
        raw: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        ...{ do: fc.constant("consume" as const), ...part, everyMs },
        protocol: fc.constantFrom("classic" as const, "consumer" as const),
        isStatic: fc.constantFrom(false, false, true),
        limit: fc.constantFrom(5, 50, 500),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        ...{ do: fc.constant("administer" as const), ...part, operations },
        everyMs: fc.constantFrom(200, 1000, 4000),
      }),
    },
  );
}

function fault(chaosMs: number): fc.Arbitrary<FaultPlan> {
  const part = { luck, atMs: fc.integer({ min: 0, max: chaosMs }) };
  const forMs = fc.constantFrom(200, 1000, 4000, 12_000);
  const downMs = fc.constantFrom(0, 50, 1000, 5000);
  return fc.oneof(
    evenly,
    {
      weight: 6,
      arbitrary: fc.record({
        ...{ do: fc.constantFrom("crash" as const, "crash" as const, "kill" as const), ...part, downMs },
        afterWrites: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 60 })),
        again: fc.oneof(
          { arbitrary: fc.constant([]), weight: 3 },
          { arbitrary: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 2 }), weight: 1 },
        ),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("restart" as const), ...part, downMs }) },
    {
      weight: 3,
      arbitrary: fc.record({
        ...{ do: fc.constantFrom("pause" as const, "stall disk" as const, "fill disk" as const), ...part, forMs },
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        ...{ do: fc.constantFrom("partition" as const, "clog" as const), ...part, forMs },
        of: fc.constantFrom("one" as const, "one" as const, "all" as const),
        way: fc.constantFrom("both" as const, "requests" as const, "answers" as const),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        ...{ do: fc.constant("fail disk" as const), ...part },
        kind: fc.constantFrom<FailingKind>("sync log", "sync log", "sync journal", "append", "read", "other"),
        count: fc.constantFrom(1, 1, 2, 5),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom("rot" as const, "misdirect" as const), ...part, downMs }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        ...{ do: fc.constant("jump clock" as const), ...part },
        byMs: fc.constantFrom(1000, 60_000, 1_200_000, -30_000),
      }),
    },
  );
}

export const network: fc.Arbitrary<NetworkMix> = fc.record({
  lossPercent: fc.constantFrom(0, 0, 1, 5, 15, 30),
  duplicatePercent: fc.constantFrom(0, 0, 1, 5, 20),
  delayMs: fc.constantFrom(1, 5, 30, 60, 100),
  latePercent: fc.constantFrom(0, 0, 1, 5),
});

export function chaosOf(mostMs: number): fc.Arbitrary<number> {
  return fc.constantFrom(mostMs, Math.ceil(mostMs / 4));
}

/** Everything may happen in it. */
export function mixedPlans(constraints: SimConstraints = {}): fc.Arbitrary<SimPlan> {
  const { chaosMs = 60_000, maxActors = 12 } = constraints;
  return fc.record({
    seed: luck,
    chaosMs: chaosOf(chaosMs),
    topics: fc.array(fc.record({ partitions: fc.constantFrom(1, 1, 2), configs }), { minLength: 1, maxLength: 2 }),
    network,
    disk: fc.record({ syncMs: fc.constantFrom(1, 8, 30), otherMs: fc.constantFrom(0.2, 2) }),
    actors: fc.array(actor(chaosMs), { minLength: 1, maxLength: maxActors, size: "max" }),
    faults: fc.array(fault(chaosMs), { minLength: 0, maxLength: 12, size: "max" }),
  });
}
