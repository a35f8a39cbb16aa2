// Plans of compacted topics.
//
// Owns: which lives are drawn, and one fixed life for crashes at every write.
// Never: plays one (run.ts).

import fc from "fast-check";
import type { CompactionCommand, CompactionPlan, PlannedRecord } from "./plan.ts";

const record: fc.Arbitrary<PlannedRecord> = fc.record({
  key: fc.nat(6),
  size: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(5, 20, 80, 300) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
});

const command: fc.Arbitrary<CompactionCommand> = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      records: fc.array(record, { minLength: 1, maxLength: 4 }),
      packed: fc.nat(3).map((one) => one === 0),
      producer: fc.constantFrom(null, null, 0, 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("retry" as const), producer: fc.nat(1) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass time" as const), ms: fc.constantFrom(10, 1000, 30_000, 60_000) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("compact" as const),
      crashAfter: fc.oneof(
        { weight: 1, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 50 }) },
      ),
      recoveryCrashes: fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("append while compacting" as const),
      records: fc.array(record, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("delete records" as const), percent: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("restart" as const),
      without: fc.subarray(["snapshots", "cleaner", "indexes"] as const),
    }),
  },
);

export function compactionPlans(): fc.Arbitrary<CompactionPlan> {
  return fc.record({
    seed: fc.nat(2 ** 31 - 1),
    configs: fc.record({
      "cleanup.policy": fc.constantFrom("compact", "compact,delete"),
      "segment.bytes": fc.constantFrom(400, 700, 1500),
      "index.interval.bytes": fc.constantFrom(1, 100, 4096),
      "delete.retention.ms": fc.constantFrom(0, 20_000, 50_000),
      "producer.id.expiration.ms": fc.constant(2_000_000_000),
    }),
    mapKeys: fc.constantFrom(2, 3, 5, 100, 100),
    commands: fc.array(command, { minLength: 6, maxLength: 45, size: "max" }),
  });
}

/** A bit of everything: two passes that take, merge and unpack, tombstones that stay and that go, producers that fell silent. */
export function compactionScript(seed: number): CompactionPlan {
  const append = (records: readonly PlannedRecord[], more: Partial<CompactionCommand> = {}): CompactionCommand => ({
    ...{ do: "append" as const, records, packed: false, producer: null },
    ...(more as object),
  });
  const big = (key: number): PlannedRecord => ({ key, size: 300 });
  const small = (key: number): PlannedRecord => ({ key, size: 10 });
  const none = (key: number): PlannedRecord => ({ key, size: null });
  const compact: CompactionCommand = { do: "compact", crashAfter: 0, recoveryCrashes: [] };
  return {
    seed,
    configs: { "segment.bytes": 700, "index.interval.bytes": 100, "delete.retention.ms": 20_000 },
    mapKeys: 100,
    commands: [
      append([small(1), small(2)], { producer: 0 } as Partial<CompactionCommand>),
      append([big(1), big(3)], { packed: true } as Partial<CompactionCommand>),
      append([small(1), none(2)], { producer: 1 } as Partial<CompactionCommand>),
      append([big(4), big(5), big(6)], { packed: true } as Partial<CompactionCommand>),
      append([small(4)]),
      append([big(0), big(0)]),
      append([small(1), small(5)]),
      append([big(0)]),
      compact,
      { do: "pass time", ms: 25_000 },
      append([small(3), none(6)]),
      append([big(0), big(0)]),
      append([big(0)]),
      compact,
      { do: "retry", producer: 0 },
    ],
  };
}
