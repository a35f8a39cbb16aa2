import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { describeLogDirs } from "../schema/describe-log-dirs.ts";
import { nameOf, openAsked, versionsOf } from "./admin.test.support.ts";
import { maxNamed } from "./outcome.ts";

for (const version of versionsOf(describeLogDirs)) {
  test(`version ${version} tells the data folder and how large its partitions are`, async () => {
    const { broker, ask } = await openAsked();
    await broker.createTopic("a", { partitions: 2 });
    await broker.createTopic("b");
    await broker.produce("a", [{ value: "x".repeat(1000) }], { partition: 1 });
    const { errorCode, results } = await ask(describeLogDirs, version, { topics: null });
    strictEqual(nameOf(errorCode), "NONE");
    strictEqual(results.length, 1);
    const { topics, ...folder } = results[0]!;
    deepStrictEqual(folder, { errorCode: 0, logDir: "/data", totalBytes: -1, usableBytes: -1 });
    const whole = { offsetLag: 0, isFutureKey: false };
    const { sizeBytes } = broker.describeTopic("a").partitions[1]!;
    ok(sizeBytes > 1000 && sizeBytes < 1200);
    deepStrictEqual(topics, [
      {
        name: "a",
        partitions: [
          { partitionIndex: 0, partitionSize: 0, ...whole },
          { partitionIndex: 1, partitionSize: sizeBytes, ...whole },
        ],
      },
      { name: "b", partitions: [{ partitionIndex: 0, partitionSize: 0, ...whole }] },
    ]);
  });

  test(`version ${version} tells those that are named, once, and leaves out what is not there`, async () => {
    const { broker, ask } = await openAsked();
    await broker.createTopic("a", { partitions: 3 });
    await broker.createTopic("b");
    const { results } = await ask(describeLogDirs, version, {
      topics: [
        { topic: "a", partitions: [2, 7] },
        { topic: "never", partitions: [0] },
        { topic: "a", partitions: [0, 2, -1] },
      ],
    });
    deepStrictEqual(
      results[0]!.topics.map(({ name, partitions }) => [
        name,
        ...partitions.map(({ partitionIndex }) => partitionIndex),
      ]),
      [["a", 0, 2]],
    );
  });

  test(`version ${version} refuses to look up too many`, async () => {
    const { broker, ask } = await openAsked();
    await broker.createTopic("a");
    const asking = ask(describeLogDirs, version, { topics: [{ topic: "a", partitions: Array(maxNamed).fill(0) }] });
    // Before version 3 an answer has no place for an error.
    if (version < 3) await rejects(asking, /the connection ended: .*10001 topics and partitions in one request/);
    else strictEqual(nameOf((await asking).errorCode), "INVALID_REQUEST");
  });
}

test("a log without a path is in memory", async () => {
  const { ask } = await openAsked({ dataFolder: undefined as never });
  strictEqual((await ask(describeLogDirs, 4, { topics: null })).results[0]!.logDir, "memory");
});
