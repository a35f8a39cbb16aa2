// `checkLog` on the engine, and on adapters that break one promise each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage, openBroker } from "../../server/runtime/web/index.ts";
import { checkLog } from "../library/check-log.ts";
import {
  type Appended,
  type AppendOptions,
  LogError,
  type Place,
  type ReadAnswer,
  type RecordToAppend,
} from "./contract.ts";
import { EngineAdapter } from "./engine.ts";
import { RestartingEngine } from "./restarting-engine.test-support.ts";

test("the engine holds", async () => {
  const verdict = await checkLog({ open: () => RestartingEngine.open(), runs: 30, seed: 20261126 });
  assert.deepEqual(verdict.counterexample?.violations ?? [], [], JSON.stringify(verdict.counterexample?.plan));
  assert.equal(verdict.holds, true);
  const shown = Object.entries(verdict.checked).filter(([, times]) => times > 0);
  assert.ok(shown.length >= 20, JSON.stringify(verdict.checked));
  for (const about of [/answered with the first offset/, /conditional append/, /is not read again/, /look-up by time/])
    assert.ok(
      shown.some(([name]) => about.test(name)),
      `${about} was shown`,
    );
});

/** What one method of a log does wrong, and which invariant finds it. */
const broken: readonly (readonly [
  what: string,
  finds: RegExp,
  make: (engine: EngineAdapter) => Partial<EngineAdapter>,
])[] = [
  [
    "says that it refused what it appended",
    /effect 'none' is never read/,
    (engine) => ({
      async append(place: Place, records: readonly RecordToAppend[], options: AppendOptions): Promise<Appended> {
        const appended = await engine.append(place, records, options);
        if (records.length === 2) throw new LogError("KAFKA_STORAGE_ERROR", "none");
        return appended;
      },
    }),
  ],
  [
    "appends a batch again that is sent again",
    /one value is stored at one offset/,
    (engine) => ({
      append: (place: Place, records: readonly RecordToAppend[], options: AppendOptions): Promise<Appended> => {
        const { producer: _, ...rest } = options;
        return engine.append(place, records, rest);
      },
    }),
  ],
  [
    "does not look at the expected end",
    /conditional append/,
    (engine) => ({
      append: (place: Place, records: readonly RecordToAppend[], options: AppendOptions): Promise<Appended> => {
        const { expectedEndOffset: _, ...rest } = options;
        return engine.append(place, records, rest);
      },
    }),
  ],
  [
    "leaves out a record in the middle",
    /offsets are dense/,
    (engine) => ({
      async read(place: Place, options: { offset: number; maxWaitMs: number }): Promise<ReadAnswer> {
        const answer = await engine.read(place, options);
        return answer.records.length < 4 ? answer : { ...answer, records: answer.records.filter((_, at) => at !== 2) };
      },
    }),
  ],
  [
    "hands out one producer id for ever",
    /handed out twice/,
    () => ({ allocateProducer: () => Promise.resolve({ id: 5, epoch: 0 }) }),
  ],
  [
    "finds the record after the one that is looked up",
    /look-up by time/,
    (engine) => ({ lookUp: (place: Place, timestamp: number) => engine.lookUp(place, timestamp + 1) }),
  ],
  [
    "answers with offsets that are one too low",
    /holds one value/,
    (engine) => ({
      async append(place: Place, records: readonly RecordToAppend[], options: AppendOptions): Promise<Appended> {
        const { offsets, ...rest } = await engine.append(place, records, options);
        return { ...rest, ...(offsets && { offsets: offsets.map((offset) => Math.max(0, offset - 1)) }) };
      },
    }),
  ],
];

for (const [what, finds, make] of broken) {
  test(`found: a log that ${what}`, async () => {
    const open = async (): Promise<EngineAdapter> => {
      const engine = new EngineAdapter(await openBroker({ storage: memoryStorage() }));
      const wrong = make(engine);
      // Everything else is the engine's.
      return new Proxy(engine, {
        get(target, name) {
          const own = (wrong as Record<PropertyKey, unknown>)[name];
          if (own !== undefined) return own;
          const value = (target as unknown as Record<PropertyKey, unknown>)[name];
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    };
    const verdict = await checkLog({ open, runs: 60, seed: 1 });
    const found = verdict.counterexample?.violations.map(({ invariant }) => invariant) ?? [];
    assert.ok(
      found.some((name) => finds.test(name)),
      `expected ${finds}, found: ${found.join("; ")}`,
    );
    for (const { commands } of verdict.counterexample?.plan.rounds ?? [])
      for (const command of commands)
        if (command.do === "produce")
          assert.ok(["all", "leader", "none"].includes(command.acks), `acks=${command.acks}`);
    const again = await checkLog({ open, runs: 60, seed: 1, path: verdict.counterexample?.path ?? "" });
    assert.equal(again.holds, false, "the path leads to it again");
  });
}

/** What every read of the log throws, and what is told besides. */
const thrown: readonly (readonly [error: () => Error, told: RegExp])[] = [
  [
    () => new ReferenceError("x is not defined"),
    /x is not defined \(the adapter threw a ReferenceError: it may be at fault/,
  ],
  [
    () => Object.assign(new TypeError("no buffer"), { code: "ERR_INVALID_ARG_TYPE" }),
    /ERR_INVALID_ARG_TYPE \(the adapter threw a TypeError: it may be at fault/,
  ],
  [() => new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }), /in quiet: fetch failed at \d/],
  [() => new LogError("KAFKA_STORAGE_ERROR", "unknown"), /in quiet: KAFKA_STORAGE_ERROR at \d/],
];

test("what looks like a mistake in the adapter is told as one, besides the violation", async () => {
  for (const [error, told] of thrown) {
    const open = async (): Promise<EngineAdapter> => {
      const engine = new EngineAdapter(await openBroker({ storage: memoryStorage() }));
      engine.read = () => Promise.reject(error());
      return engine;
    };
    const { holds, counterexample } = await checkLog({ open, runs: 3, seed: 1 });
    assert.equal(holds, false);
    const messages = counterexample?.violations.map(({ message }) => message) ?? [];
    assert.ok(
      messages.some((message) => told.test(message)),
      messages.join("\n"),
    );
  }
});
