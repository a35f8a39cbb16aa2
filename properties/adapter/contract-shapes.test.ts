// An adapter that is none, and one that answers in another shape, are told what is wrong and what is expected; nothing
// is left behind that would end a program later.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type CheckLogOptions, checkLog } from "../library/check-log.ts";
import { playPlan } from "../library/play.ts";
import { runWorkload } from "../workload/index.ts";
import { type LogAdapter, supportsNothing } from "./contract.ts";
import { type ContractOptions, contractCases } from "./contract-cases.ts";
import { RestartingEngine } from "./restarting-engine.test-support.ts";

/** An adapter without `close` is closed here. */
const engines: RestartingEngine[] = [];
after(async () => {
  for (const engine of engines) await engine.close();
});

/** The engine, but for what is wrong of it. */
async function engineBut(wrong: Readonly<Record<string, unknown>>): Promise<LogAdapter> {
  const engine = await RestartingEngine.open();
  engines.push(engine);
  return new Proxy<LogAdapter>(engine, {
    get(target, name) {
      if (Object.hasOwn(wrong, name)) return wrong[name as string];
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** What `run` throws, and how many rejections nobody had taken in. */
async function thrownBy(run: () => Promise<unknown>): Promise<Error> {
  const left: unknown[] = [];
  const note = (error: unknown): void => void left.push(error);
  process.on("unhandledRejection", note);
  try {
    const error = await run().then(
      () => assert.fail("nothing was thrown"),
      (one: Error) => one,
    );
    // Time for what is under way to end, and for the runtime to tell.
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(left, [], "rejections that nobody took in");
    return error;
  } finally {
    process.off("unhandledRejection", note);
  }
}

function isTold(error: Error, expected: RegExp): void {
  assert.ok(error instanceof TypeError, `${error.stack}`);
  assert.match(error.message, expected);
  assert.match(error.message, /docs\/properties\.md/);
}

const record = { offset: 0, timestamp: 1, value: "a" };
const bounds = { nextOffset: 1, logStartOffset: 0, highWatermark: 1 };
const answersWith = (answer: unknown) => (): Promise<unknown> => Promise.resolve(answer);

const answers: readonly (readonly [wrong: Readonly<Record<string, unknown>>, expected: RegExp])[] = [
  [
    { read: answersWith(null) },
    /the answer is null, .*: an adapter's read\(\) must answer \{ records: .* nextOffset, logStartOffset, highWatermark \}/,
  ],
  [{ read: answersWith([record]) }, /the answer\.records is undefined, and has to be an array: an adapter's read\(\)/],
  [{ read: () => undefined }, /the answer is undefined, and has to be an object: an adapter's read\(\)/],
  [
    { read: answersWith({ ...bounds, records: [{ ...record, offset: "0" }] }) },
    /the answer\.records\[0\]\.offset is "0", and has to be a whole number/,
  ],
  [
    { read: answersWith({ ...bounds, records: [{ ...record, value: 5 }] }) },
    /the answer\.records\[0\]\.value is 5, and has to be a string or null/,
  ],
  [{ append: answersWith(undefined) }, /undefined, and has to be an object: an adapter's append\(\) must answer/],
  [{ append: answersWith({ offsets: [0n] }) }, /the answer\.offsets\[0\] is 0n, and has to be a whole number/],
  [{ offsets: answersWith({ highWatermark: 0 }) }, /the answer\.logStartOffset is undefined/],
  [{ listTopics: answersWith(["a"]) }, /the answer\[0\] is "a", .*listTopics\(\) must answer \[\{ topic, id\? \}\]/],
];

for (const [wrong, expected] of answers) {
  const [method = ""] = Object.keys(wrong);
  test(`checkLog and runWorkload, of an answer that is not ${method}'s: ${expected.source.slice(0, 50)}`, async () => {
    isTold(await thrownBy(() => checkLog({ open: () => engineBut(wrong), runs: 20 })), expected);
    const work = async (): Promise<unknown> =>
      runWorkload({ adapter: await engineBut(wrong), seed: 1, operations: 300, healMs: 1000 });
    isTold(await thrownBy(work), expected);
  });
}

test("checkLog, of a look-up, a producer and deleted records of another shape", async () => {
  for (const [wrong, expected] of [
    [{ lookUp: answersWith(3) }, /the answer is 3, .*lookUp\(\) must answer \{ offset, timestamp \} or null/],
    [{ allocateProducer: answersWith(7) }, /the answer is 7, .*allocateProducer\(\) must answer \{ id, epoch \}/],
    [{ deleteRecords: answersWith({ logStartOffset: 1 }) }, /deleteRecords\(\) must answer the new log start offset/],
  ] as const)
    isTold(await thrownBy(() => checkLog({ open: () => engineBut(wrong), runs: 40 })), expected);
});

const adapters: readonly (readonly [adapter: unknown, expected: RegExp])[] = [
  [undefined, /the adapter is undefined, and has to be an object: an adapter has supports, createTopic, append/],
  [{}, /the adapter\.createTopic is undefined, and has to be a function/],
];
const parts: readonly (readonly [wrong: Readonly<Record<string, unknown>>, expected: RegExp])[] = [
  [{ close: undefined }, /the adapter\.close is undefined, and has to be a function/],
  [{ lookUp: 5 }, /the adapter\.lookUp is 5, and has to be a function/],
  [{ lookUp: undefined }, /the adapter has no lookUp, which its supports\.lookUpByTime promises/],
  [{ supports: undefined }, /the adapter's supports is undefined, .*\.\.\.supportsNothing/],
  [{ supports: {} }, /the adapter's supports\.acks is undefined, and has to be an array: .*\.\.\.supportsNothing/],
  [
    { supports: { ...supportsNothing, acks: [1] } },
    /supports\.acks\[0\] is 1, and has to be "all", "leader" or "none"/,
  ],
  [{ supports: { acks: ["all"] } }, /the adapter's supports\.idempotence is undefined, and has to be true or false/],
];

test("checkLog, playPlan and runWorkload, of what is no adapter", async () => {
  const all = [...adapters, ...(await Promise.all(parts.map(async ([wrong, told]) => [await engineBut(wrong), told])))];
  for (const [one, expected] of all as typeof adapters) {
    const adapter = one as LogAdapter;
    isTold(await thrownBy(() => checkLog({ open: () => adapter, runs: 5 })), expected);
    isTold(await thrownBy(() => runWorkload({ adapter, seed: 1, operations: 10 })), expected);
  }
  for (const [one, expected] of adapters)
    isTold(await thrownBy(() => playPlan(one as LogAdapter, { partitions: 1, rounds: [] })), expected);
});

test("checkLog, runWorkload and contractCases without their options", async () => {
  for (const options of [undefined, {}, { open: 5 }] as unknown as CheckLogOptions[]) {
    isTold(await thrownBy(() => checkLog(options)), /what checkLog is given.*: checkLog\(\{ open: \(\) => adapter/);
    const cases = async (): Promise<unknown> => contractCases(options as unknown as ContractOptions);
    isTold(await thrownBy(cases), /what contractCases is given.*: contractCases\(\{ open: \(\) => adapter/);
  }
  const open = (): Promise<LogAdapter> => engineBut({});
  const cases = async (): Promise<unknown> => contractCases({ open } as unknown as ContractOptions);
  isTold(await thrownBy(cases), /the `supports` that contractCases is given is undefined/);
  const work = await thrownBy(() => runWorkload(undefined as never));
  assert.match(work.message, /runWorkload\(\{ adapter, seed, seconds \}\): it was given no options/);
});

test("contractCases, of an answer of another shape", async () => {
  const open = (): Promise<LogAdapter> => engineBut({ read: answersWith(null) });
  const { supports } = await engineBut({});
  const [, readsBack] = contractCases({ open, supports });
  isTold(await thrownBy(async () => readsBack?.run()), /an adapter's read\(\) must answer \{ records/);
});

test("a frozen adapter is one", async () => {
  const frozen = async (): Promise<LogAdapter> => {
    const { name, createTopic, append, read, offsets, close } = await engineBut({});
    return Object.freeze({ name, supports: supportsNothing, createTopic, append, read, offsets, close });
  };
  const verdict = await checkLog({ open: frozen, runs: 3 });
  assert.equal(verdict.holds, true);
});
