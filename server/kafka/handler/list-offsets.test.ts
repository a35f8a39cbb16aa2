import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../../engine/index.ts";
import { openFace, type TestClient } from "../client.test.support.ts";
import { kafkaErrors } from "../errors.ts";
import { listOffsets } from "../schema/list-offsets.ts";

async function find(client: TestClient, timestamp: number, { version = 7, epoch = -1, partition = 0 } = {}) {
  const partitions = [{ partitionIndex: partition, currentLeaderEpoch: epoch, timestamp }];
  const { topics } = await client.ask(listOffsets, version, { replicaId: -1, topics: [{ name: "t", partitions }] });
  const [{ errorCode, offset, timestamp: found, leaderEpoch } = { errorCode: -9 } as never] =
    topics[0]?.partitions ?? [];
  return [errorCode, offset, found, leaderEpoch];
}

test("the ends, the record of a time and that of the greatest time, with the epochs that wrote them", async () => {
  const storage = memoryStorage();
  let face = await openFace({ storage });
  await face.broker.createTopic("t");
  for (const timestamp of [10, 30, 20]) await face.broker.produce("t", [{ value: "v", timestamp }]);
  await face.close();
  face = await openFace({ storage: storage.crash(() => 0) });
  await face.broker.produce("t", [{ value: "v", timestamp: 25 }]);
  await face.broker.deleteRecords("t", 0, 1);
  const client = face.connect();
  const none = -1;
  deepStrictEqual(await find(client, -2), [0, 1, none, 0], "earliest");
  deepStrictEqual(await find(client, -1), [0, 4, none, 1], "latest");
  deepStrictEqual(await find(client, -3), [0, 1, 30, 0], "the greatest time");
  deepStrictEqual(await find(client, -4), [0, 1, none, 0], "earliest that is not elsewhere");
  deepStrictEqual(await find(client, 0), [0, 1, 30, 0]);
  deepStrictEqual(await find(client, 31), [0, none, none, none], "later than all");
  await face.broker.deleteRecords("t", 0, 2);
  deepStrictEqual(await find(client, 21), [0, 3, 25, 1]);
  deepStrictEqual(await find(client, -3), [0, 3, 25, 1], "what is deleted is not the greatest");
  deepStrictEqual(await find(client, -1, { version: 1 }), [0, 4, none, none], "no epochs before version 4");
  await face.close();
});

test("what cannot be answered is told by its code", async () => {
  const face = await openFace();
  await face.broker.createTopic("t");
  const client = face.connect();
  const code = async (...asked: Parameters<typeof find> extends [unknown, ...infer Rest] ? Rest : never) =>
    (await find(client, ...asked))[0];
  strictEqual(await code(-1, { partition: 5 }), kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code);
  strictEqual(await code(-1, { epoch: 1 }), kafkaErrors.UNKNOWN_LEADER_EPOCH.code);
  strictEqual(await code(-1, { epoch: 0 }), 0);
  strictEqual(await code(-9), kafkaErrors.INVALID_REQUEST.code);
  const twice = [0, 0, 1].map((partitionIndex) => ({ partitionIndex, timestamp: -1 }));
  const { topics } = await client.ask(listOffsets, 5, { replicaId: -1, topics: [{ name: "t", partitions: twice }] });
  deepStrictEqual(
    topics[0]?.partitions.map(({ errorCode }) => errorCode),
    [0, kafkaErrors.INVALID_REQUEST.code, kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code],
  );
  await face.close();
});
