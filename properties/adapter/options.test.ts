// What a caller gets wrong is told by its name, with what is there, what has to be, and how the call is written.

import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { type Invariant, invariants, judge } from "../checker/index.ts";
import { checkLog } from "../library/check-log.ts";
import { runWorkload, type WorkloadOptions } from "../workload/index.ts";
import { type LogAdapter, LogError, supportsNothing } from "./contract.ts";
import { openKafkaAdapter } from "./open-kafka.ts";

const nothing = (): Promise<never> => assert.fail("it was asked for something");
const adapter: LogAdapter = {
  ...{ name: "never asked", supports: supportsNothing, createTopic: nothing, append: nothing, read: nothing },
  ...{ offsets: nothing, close: () => Promise.resolve() },
};

async function told(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    assert.ok(error instanceof TypeError, `${(error as Error).stack}`);
    return error.message;
  }
  return assert.fail("it was taken");
}

/** An option, what it was given as, and what has to be. */
type Wrong = readonly (readonly [option: string, given: unknown, found: string, expected: string])[];

const ofWorkload: Wrong = [
  ["seed", undefined, "undefined", "a whole number"],
  ["seed", "x", '"x"', "a whole number"],
  ["seconds", -1, "-1", "a number above 0"],
  ["seconds", "2", '"2"', "a number above 0"],
  ["seconds", Number.NaN, "null", "a number above 0"],
  ["operations", 0, "0", "a whole number, at least 1"],
  ["partitions", 1.5, "1.5", "a whole number, at least 1"],
  ["processes", 3, "3", "an object"],
  ["processes.cursors", { cursors: -1 }, "-1", "a whole number, at least 0"],
  ["healMs", "60", '"60"', "a number above 0"],
  ["maxRecords", null, "null", "a whole number, at least 1"],
  ["faults", "kill", '"kill"', "a function"],
  ["signal", {}, "an object without properties", "an AbortSignal"],
];

test("runWorkload", async () => {
  for (const [option, given, found, expected] of ofWorkload) {
    const options = { adapter, seed: 7, seconds: 3, [option.split(".")[0] as string]: given };
    assert.equal(
      await told(() => runWorkload(options as unknown as WorkloadOptions)),
      `runWorkload: ${option} is ${found}, and has to be ${expected}, as in runWorkload({ adapter, seed: 7, seconds: 3 })`,
    );
  }
});

test("checkLog", async () => {
  const wrong: Wrong = [
    ["runs", 0, "0", "a whole number, at least 1"],
    ["runs", "5", '"5"', "a whole number, at least 1"],
    ["seed", "x", '"x"', "a whole number"],
    ["path", 7, "7", "a string such as '12:0:3'"],
    ["path", "seven", '"seven"', "a string such as '12:0:3'"],
    ["operationTimeoutMs", 0, "0", "a number above 0"],
  ];
  for (const [option, given, found, expected] of wrong)
    assert.equal(
      await told(() => checkLog({ open: () => adapter, [option]: given })),
      `checkLog: ${option} is ${found}, and has to be ${expected}, as in checkLog({ open: () => adapter, runs: 100, seed: 1 })`,
    );
});

test("openKafkaAdapter", async () => {
  const as = 'as in openKafkaAdapter({ brokers: ["127.0.0.1:9092"] })';
  for (const [options, wrong] of [
    [undefined, "what it is given is undefined, and has to be an object"],
    [{}, "brokers is undefined, and has to be a list, and not empty"],
    [{ brokers: "127.0.0.1:9092" }, 'brokers is "127.0.0.1:9092", and has to be a list, and not empty'],
    [{ brokers: [] }, "brokers is [], and has to be a list, and not empty"],
    [{ brokers: [9092] }, "brokers[0] is 9092, and has to be a string"],
    [{ brokers: ["a:1"], requestTimeoutMs: -1 }, "requestTimeoutMs is -1, and has to be a whole number, at least 1"],
  ] as const)
    assert.equal(await told(() => openKafkaAdapter(options as never)), `openKafkaAdapter: ${wrong}, ${as}`);
});

test("openKafkaAdapter where nobody listens", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(openKafkaAdapter({ brokers: [place] }), (error) => {
    assert.ok(error instanceof LogError && error.effect === "none", `${error}`);
    assert.match(
      error.message,
      new RegExp(`^no answer from ${place} \\(.*\\): is it running, and is that where Kafka's`),
    );
    return true;
  });
});

test("judge, of what is no invariant, and of one that answers what it found", async () => {
  const mine: Invariant = { name: "mine", source: "me", needs: "nothing", check: (_, findings) => findings.look() };
  const verdict = judge([], [mine]);
  assert.deepEqual(verdict.checked, [{ invariant: "mine", source: "me", times: 1, violations: 0 }]);
  const has = "an invariant has name, source, needs and check(history, findings)";
  const last = `what judge is to hold it against[${invariants.length}]`;
  for (const [one, wrong] of [
    [{ name: "mine" }, `${last}.source is undefined, and has to be a string: ${has}`],
    [{ ...mine, check: "fine" }, `${last}.check is "fine", and has to be a function: ${has}`],
    [null, `${last} is null, and has to be an object: ${has}`],
  ] as const)
    assert.equal(await told(() => judge([], [...invariants, one as unknown as Invariant])), wrong);
  for (const [answer, shown] of [
    [false, "false"],
    [[], "[]"],
    [Promise.resolve(), "an object without properties"],
  ] as const)
    assert.match(
      await told(() => judge([], [{ ...mine, check: () => answer as never }])),
      new RegExp(
        `^what check of the invariant 'mine' answers is ${shown.replace(/[[\]]/g, "\\$&")}, and has to be nothing: .*findings\\.look`,
      ),
    );
});

test("an empty history is held against nothing, and says so", () => {
  const { holds, checked, notApplicable } = judge([]);
  assert.deepEqual([holds, checked, notApplicable.length], [true, [], invariants.length]);
});
