import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { testWorld } from "../../../engine/broker/world.test.support.ts";
import { memoryStorage, openBroker } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { RequestContext } from "../handler.ts";
import { deleteRecords } from "../schema/delete-records.ts";
import { nameOf, openAsked, versionsOf } from "./admin.test.support.ts";
import { deleteRecordsHandler } from "./delete-records.ts";
import { maxNamed } from "./outcome.ts";

const timeoutMs = 1000;

for (const version of versionsOf(deleteRecords)) {
  test(`version ${version} moves the log start offset, durably, or says why it can't`, async () => {
    const storage = memoryStorage();
    const { broker, ask } = await openAsked({}, storage);
    await broker.createTopic("t", { partitions: 4 });
    for (const partition of [0, 1, 2, 3]) {
      for (const value of ["a", "b", "c"]) await broker.produce("t", [{ value }], { partition });
    }
    const offsets: [number, number][] = [
      [0, 2],
      [1, -1],
      [2, 4],
      [2, -2],
      [3, 0],
      [9, 0],
      [-1, 0],
    ];
    const { topics } = await ask(deleteRecords, version, {
      topics: [
        { name: "t", partitions: offsets.map(([partitionIndex, offset]) => ({ partitionIndex, offset })) },
        { name: "never", partitions: [{ partitionIndex: 0, offset: 0 }] },
      ],
      timeoutMs,
    });
    const [known, unknown] = topics.map(({ partitions }) =>
      partitions.map(({ partitionIndex, lowWatermark, errorCode }) => [
        partitionIndex,
        lowWatermark,
        nameOf(errorCode),
      ]),
    );
    deepStrictEqual(known, [
      [0, 2, "NONE"],
      [1, 3, "NONE"],
      [2, -1, "OFFSET_OUT_OF_RANGE"],
      [2, -1, "OFFSET_OUT_OF_RANGE"],
      [3, 0, "NONE"],
      [9, -1, "UNKNOWN_TOPIC_OR_PARTITION"],
      [-1, -1, "UNKNOWN_TOPIC_OR_PARTITION"],
    ]);
    deepStrictEqual(unknown, [[0, -1, "UNKNOWN_TOPIC_OR_PARTITION"]]);
    const again = await openBroker(testWorld(storage.crash(() => 0)));
    deepStrictEqual(
      [0, 1, 2, 3].map((partition) => again.offsets("t", partition).earliest),
      [2, 3, 0, 0],
    );
    await again.close();
  });
}

test("what lies below the start is gone already, and the start stays", async () => {
  const { broker, ask } = await openAsked();
  await broker.createTopic("t");
  for (const value of ["a", "b", "c"]) await broker.produce("t", [{ value }]);
  const before = async (offset: number): Promise<number> => {
    const request = { topics: [{ name: "t", partitions: [{ partitionIndex: 0, offset }] }], timeoutMs };
    return (await ask(deleteRecords, 2, request)).topics[0]!.partitions[0]!.lowWatermark;
  };
  deepStrictEqual([await before(2), await before(1), await before(2)], [2, 2, 2]);
});

test("a request that names too many deletes none", async () => {
  const { broker, ask } = await openAsked();
  await broker.createTopic("t");
  await broker.produce("t", [{ value: "a" }]);
  const partitions = Array.from({ length: maxNamed }, () => ({ partitionIndex: 0, offset: -1 }));
  const { topics } = await ask(deleteRecords, 2, { topics: [{ name: "t", partitions }], timeoutMs });
  deepStrictEqual(
    new Set(topics[0]!.partitions.map(({ errorCode }) => nameOf(errorCode))),
    new Set(["INVALID_REQUEST"]),
  );
  strictEqual(broker.offsets("t", 0).earliest, 0);
});

test("of a topic that is compacted only, no records are deleted", async () => {
  const policies: Readonly<Record<string, string>> = { compacted: "compact", both: "compact,delete" };
  const broker = {
    planAlteration: (name: string) => ({ configs: { "cleanup.policy": { value: policies[name], source: "topic" } } }),
    deleteRecords: async () => 5,
  };
  const handler = deleteRecordsHandler({ broker } as unknown as KafkaFace);
  const partitions = [{ partitionIndex: 0, offset: 5 }];
  const topics = Object.keys(policies).map((name) => ({ name, partitions }));
  const answer = await handler.handle({ topics, timeoutMs }, {} as RequestContext);
  deepStrictEqual(
    answer!.topics.map(({ partitions: [one] }) => [nameOf(one!.errorCode), one!.lowWatermark]),
    [
      ["POLICY_VIOLATION", -1],
      ["NONE", 5],
    ],
  );
});
