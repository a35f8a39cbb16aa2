import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "./checker/index.ts";
import type { HistoryEvent } from "./history.ts";
import { CouldNotRunError, checkLive, demandRecords, type LiveCheck } from "./live.ts";

const common = { log: "t-0", process: "p0", incarnation: 1, invokedAt: 0 } as const;
const bounds = { logStartOffset: 0, highWatermark: 0, nextOffset: 0 } as const;
const refused: HistoryEvent = {
  ...{ ...common, kind: "produce", acks: "all", records: [{ value: "p0.0", timestamp: 1 }] },
  ...{ outcome: "fail", code: "NOT_ENOUGH_REPLICAS", atMs: 1 },
};
const read = (values: readonly string[]): HistoryEvent => ({
  ...{ ...common, ...bounds, kind: "read", manner: "fetch", from: 0, outcome: "ok", atMs: 2 },
  records: values.map((value, offset) => ({ offset, value, timestamp: 1 })),
});

test("a log that refused everything has shown nothing, and is told by what it refused", () => {
  const history = [refused, read([])];
  assert.throws(
    () => demandRecords(history, judge(history), "kafka://h:1"),
    (error) => error instanceof CouldNotRunError && /NOT_ENOUGH_REPLICAS.*nothing is shown/.test(error.message),
  );
});

test("one record read is enough, and a violation is one whatever was read", () => {
  const history = [refused, read(["p0.1"])];
  demandRecords(history, { ...judge(history), holds: true, violations: [] }, "kafka://h:1");
  demandRecords([refused], { ...judge([refused]), holds: false }, "kafka://h:1");
});

const check = {
  seed: 7,
  seconds: 1,
  startMs: 5000,
  healMs: 1000,
  tool: { moldau: "0", runtime: "node 0" },
  command: "",
};

for (const [how, end] of [
  ["it ended with status 0", "leave out an & at its end, and start no daemon"],
  ["it ended with status 127", "the command did not stay: it ended with status 127"],
] as const) {
  test(`of a command of which ${how} is said what to do`, async () => {
    const process = { start: () => {}, kill: async () => {}, ended: async () => how };
    await assertCannotRun({ ...check, target: "http://127.0.0.1:9", process }, end);
  });
}

async function assertCannotRun(options: LiveCheck, end: string): Promise<void> {
  await assert.rejects(checkLive(options), (error) => {
    assert.ok(error instanceof CouldNotRunError && error.message.endsWith(end), String(error));
    return true;
  });
}
