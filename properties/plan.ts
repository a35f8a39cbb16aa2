// What a run will do, as data: fast-check draws it, shrinks it and prints it.
//
// Owns: the commands and rounds, and how likely each is.
// Never: acts (lives/run.ts), or names an offset: a plan that lost a command must still make sense,
//   so places are told in percent of what there is.

import fc from "fast-check";

export type Acks = "all" | "leader" | "none";

/** Commands of a round are sent in this order, a few virtual milliseconds apart, without waiting for answers. */
export type Command =
  | {
      readonly do: "produce";
      readonly process: number;
      readonly log: number;
      readonly sizes: readonly number[];
      readonly shiftMs: number;
      readonly acks: Acks;
    }
  | {
      readonly do: "append";
      readonly process: number;
      readonly log: number;
      readonly batches: readonly (readonly number[])[];
      readonly shiftMs: number;
      readonly acks: Acks;
    }
  | {
      readonly do: "send";
      readonly producer: number;
      readonly log: number;
      readonly sizes: readonly number[];
      readonly acks: "all" | "leader";
      /** `retry` sends the `back`-th last batch again; `next` the first that was not acknowledged, else a new one. */
      readonly manner: "next" | "retry" | "gap" | "old epoch" | "new epoch";
      readonly back: number;
      readonly raw: boolean;
    }
  /** `beyond` 0 expects the log end as it is when sent. */
  | {
      readonly do: "conditional";
      readonly process: number;
      readonly log: number;
      readonly sizes: readonly number[];
      readonly beyond: number;
    }
  | {
      readonly do: "fetch";
      readonly process: number;
      readonly log: number;
      readonly percent: number;
      readonly limit: number;
      readonly raw: boolean;
    }
  | {
      readonly do: "follow";
      readonly process: number;
      readonly log: number;
      readonly limit: number;
      readonly waitMs: number;
    }
  | { readonly do: "delete records"; readonly log: number; readonly percent: number }
  /** Retention while others append. */
  | { readonly do: "retain" }
  | { readonly do: "allocate"; readonly producer: number }
  | { readonly do: "alter"; readonly topic: number; readonly configs: Configs }
  | { readonly do: "create topic"; readonly configs: Configs }
  | { readonly do: "delete topic"; readonly topic: number };

export type CommandTo<Do extends Command["do"]> = Command & { readonly do: Do };

export type Configs = Readonly<Record<string, string | number>>;

export interface Round {
  /** The wall clock jumps before it; virtual time goes on as it was. */
  readonly jumpMs: number;
  /** 1: the next sync of a log fails; 2: the next of the metadata's journal. */
  readonly failSyncs: number;
  readonly fullDisk: boolean;
  /** Writes for which a full disk has room yet. */
  readonly roomFor: number;
  readonly commands: readonly Command[];
  /** Power goes at this write to the disk, counted from the round's begin; 0: not. */
  readonly crashAfter: number;
  /** Whether only the process dies there: what it wrote is still with the system, synced or not. */
  readonly onlyProcess: boolean;
  /** Retention, when all is quiet. */
  readonly retain: boolean;
  readonly end: "go on" | "restart" | "kill" | "crash";
  /** After a crash: this read of a log fails when it is loaded first, and whoever started the broker stops it again; 0: none does. */
  readonly loadFails: number;
  /** After a crash: power goes again at this write of the recovery, each in turn. */
  readonly recoveryCrashes: readonly number[];
}

export interface TopicPlan {
  readonly partitions: number;
  readonly configs: Configs;
}

export interface Plan {
  readonly seed: number;
  readonly topics: readonly TopicPlan[];
  readonly rounds: readonly Round[];
}

/** Bounds of what is drawn; a property that looks at one thing leaves the rest out. */
export interface PlanConstraints {
  readonly maxRounds?: number;
  readonly crashes?: boolean;
  readonly faults?: boolean;
  readonly retention?: boolean;
  readonly topicChanges?: boolean;
}

const size: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 60 }), weight: 6 },
  { arbitrary: fc.integer({ min: 60, max: 700 }), weight: 2 },
);
const sizes: fc.Arbitrary<number[]> = fc.array(size, { minLength: 1, maxLength: 4 });
const process: fc.Arbitrary<number> = fc.integer({ min: 0, max: 2 });
/** The first partition most of the time, so that much happens to one. */
const log: fc.Arbitrary<number> = fc.constantFrom(0, 0, 0, 1, 2);
const producer: fc.Arbitrary<number> = fc.constantFrom(0, 0, 0, 1, 2);
const shiftMs: fc.Arbitrary<number> = fc.oneof(
  { arbitrary: fc.constant(0), weight: 3 },
  { arbitrary: fc.integer({ min: -600_000, max: 600_000 }), weight: 2 },
);
const acks: fc.Arbitrary<Acks> = fc.oneof(
  { arbitrary: fc.constant<Acks>("all"), weight: 5 },
  { arbitrary: fc.constant<Acks>("leader"), weight: 3 },
  { arbitrary: fc.constant<Acks>("none"), weight: 1 },
);
const percent: fc.Arbitrary<number> = fc.integer({ min: 0, max: 100 });

function configs(retention: boolean): fc.Arbitrary<Configs> {
  return fc.record({
    "segment.bytes": fc.constantFrom(700, 700, 1500, 1500, 4096, 1_000_000),
    "segment.ms": fc.constantFrom(604_800_000, 604_800_000, 300_000, 1000),
    "index.interval.bytes": fc.constantFrom(0, 100, 400, 4096),
    "message.timestamp.type": fc.constantFrom("CreateTime", "CreateTime", "LogAppendTime"),
    "retention.ms": retention ? fc.constantFrom(-1, 604_800_000, 3_600_000, 900_000, 1000) : fc.constant(-1),
    "retention.bytes": retention ? fc.constantFrom(-1, -1, 0, 1000, 3000) : fc.constant(-1),
  });
}

function command(constraints: PlanConstraints): fc.Arbitrary<Command> {
  const choices: { arbitrary: fc.Arbitrary<Command>; weight: number }[] = [
    { weight: 8, arbitrary: fc.record({ do: fc.constant("produce" as const), process, log, sizes, shiftMs, acks }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("append" as const),
        process,
        log,
        batches: fc.array(sizes, { minLength: 1, maxLength: 3 }),
        shiftMs,
        acks,
      }),
    },
    {
      weight: 20,
      arbitrary: fc.record({
        do: fc.constant("send" as const),
        producer,
        log,
        sizes,
        acks: fc.constantFrom("all" as const, "all" as const, "leader" as const),
        manner: fc.oneof(
          { arbitrary: fc.constant("next" as const), weight: 10 },
          { arbitrary: fc.constant("retry" as const), weight: 7 },
          { arbitrary: fc.constantFrom("gap" as const, "old epoch" as const, "new epoch" as const), weight: 4 },
        ),
        back: fc.constantFrom(1, 1, 1, 2, 2, 3, 4, 5, 6, 7),
        raw: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("conditional" as const),
        process,
        log,
        sizes,
        beyond: fc.constantFrom(0, 0, 0, -1, 1),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant("fetch" as const),
        process,
        log,
        percent: fc.integer({ min: 0, max: 110 }),
        limit: fc.integer({ min: 1, max: 20 }),
        raw: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("follow" as const),
        process,
        log,
        limit: fc.integer({ min: 1, max: 20 }),
        waitMs: fc.constantFrom(0, 0, 30, 200),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("allocate" as const), producer: fc.constantFrom(0, 1, 1, 2) }),
    },
  ];
  if (constraints.retention !== false) {
    choices.push({
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("delete records" as const),
        log,
        percent: fc.oneof(percent, fc.constant(-1)),
      }),
    });
    choices.push({ weight: 3, arbitrary: fc.constant({ do: "retain" as const }) });
    choices.push({
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("alter" as const),
        topic: fc.integer({ min: 0, max: 1 }),
        configs: configs(true),
      }),
    });
  }
  if (constraints.topicChanges !== false) {
    choices.push({
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("create topic" as const),
        configs: configs(constraints.retention !== false),
      }),
    });
    choices.push({
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("delete topic" as const), topic: fc.integer({ min: 0, max: 3 }) }),
    });
  }
  return fc.oneof(...choices);
}

function round(constraints: PlanConstraints): fc.Arbitrary<Round> {
  const crashes = constraints.crashes !== false;
  const retention = constraints.retention !== false;
  const faults = constraints.faults !== false;
  return fc.record({
    jumpMs: fc.oneof(
      { arbitrary: fc.constant(0), weight: 4 },
      { arbitrary: fc.constantFrom(1000, 60_000, 1_200_000, 4_000_000, -30_000), weight: 1 },
    ),
    failSyncs: faults
      ? fc.oneof({ arbitrary: fc.constant(0), weight: 14 }, { arbitrary: fc.integer({ min: 1, max: 2 }), weight: 1 })
      : fc.constant(0),
    fullDisk: faults
      ? fc.oneof({ arbitrary: fc.constant(false), weight: 14 }, { arbitrary: fc.constant(true), weight: 1 })
      : fc.constant(false),
    roomFor: fc.nat(6),
    commands: fc.array(command(constraints), { minLength: 1, maxLength: 10, size: "max" }),
    crashAfter: crashes
      ? fc.oneof(
          { arbitrary: fc.constant(0), weight: 2 },
          { arbitrary: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 40 })), weight: 2 },
        )
      : fc.constant(0),
    onlyProcess: crashes
      ? fc.oneof({ arbitrary: fc.constant(false), weight: 2 }, { arbitrary: fc.constant(true), weight: 1 })
      : fc.constant(false),
    retain: retention ? fc.boolean() : fc.constant(false),
    end: crashes
      ? fc.oneof(
          { arbitrary: fc.constant("go on" as const), weight: 4 },
          { arbitrary: fc.constantFrom("restart" as const, "kill" as const, "crash" as const), weight: 2 },
        )
      : fc.oneof(
          { arbitrary: fc.constant("go on" as const), weight: 3 },
          { arbitrary: fc.constant("restart" as const), weight: 1 },
        ),
    loadFails:
      crashes && faults
        ? fc.oneof({ arbitrary: fc.constant(0), weight: 6 }, { arbitrary: fc.integer({ min: 1, max: 4 }), weight: 1 })
        : fc.constant(0),
    recoveryCrashes: crashes
      ? fc.oneof(
          { arbitrary: fc.constant([]), weight: 3 },
          { arbitrary: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 2 }), weight: 1 },
        )
      : fc.constant([]),
  });
}

export function plans(constraints: PlanConstraints = {}): fc.Arbitrary<Plan> {
  return fc.record({
    seed: fc.noShrink(fc.integer({ min: 0, max: 0x7fffffff })),
    topics: fc.array(
      fc.record({ partitions: fc.constantFrom(1, 1, 2), configs: configs(constraints.retention !== false) }),
      { minLength: 1, maxLength: 2 },
    ),
    rounds: fc.array(round(constraints), { minLength: 1, maxLength: constraints.maxRounds ?? 8, size: "max" }),
  });
}

const calm = {
  jumpMs: 0,
  failSyncs: 0,
  fullDisk: false,
  roomFor: 0,
  crashAfter: 0,
  onlyProcess: false,
  retain: false,
  end: "go on",
  loadFails: 0,
  recoveryCrashes: [],
} as const;

/** The process dies at a write of its first appends; what the next life shows is then put to a loss of power. */
export function killedThenPowerless(seed: number, write: number): Plan {
  const produce = { do: "produce", process: 0, log: 0, sizes: [200, 200], shiftMs: 0, acks: "leader" } as const;
  return {
    seed,
    topics: [{ partitions: 1, configs: { "segment.bytes": 1000 } }],
    rounds: [
      {
        ...calm,
        crashAfter: write,
        onlyProcess: true,
        commands: [produce, { ...produce, process: 1, acks: "none" }, { ...produce, process: 2, acks: "all" }],
      },
      { ...calm, end: "crash", commands: [{ do: "fetch", process: 0, log: 0, percent: 0, limit: 10, raw: true }] },
    ],
  };
}

/** Segments are closed and not yet synced when retention comes, and then the sync fails. */
export function retainedUnsynced(seed: number, produces: number, retainAt: number): Plan {
  const produce = { do: "produce", process: 0, log: 0, sizes: [200, 200], shiftMs: 0, acks: "leader" } as const;
  const commands: Command[] = Array.from({ length: produces }, () => produce);
  commands.splice(retainAt, 0, { do: "retain" });
  return {
    seed,
    topics: [{ partitions: 1, configs: { "segment.bytes": 700, "retention.bytes": 0 } }],
    rounds: [
      { ...calm, commands: [produce] },
      { ...calm, failSyncs: 1, commands },
      { ...calm, end: "crash", commands: [produce] },
    ],
  };
}
