import { deepStrictEqual } from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage } from "../../../engine/index.ts";
import { openFace, type TestFace } from "../client.test.support.ts";
import { kafkaErrors } from "../errors.ts";
import { offsetForLeaderEpoch } from "../schema/offset-for-leader-epoch.ts";

async function ask(face: TestFace, leaderEpoch: number, { version = 4, current = -1, partition = 0 } = {}) {
  const partitions = [{ partition, currentLeaderEpoch: current, leaderEpoch }];
  const { topics } = await face.connect().ask(offsetForLeaderEpoch, version, { topics: [{ topic: "t", partitions }] });
  const [answer] = topics[0]?.partitions ?? [];
  return [answer?.errorCode, answer?.leaderEpoch, answer?.endOffset];
}

test("where an epoch ended, and who speaks of another leader", async () => {
  const storage = memoryStorage();
  let face = await openFace({ storage });
  await face.broker.createTopic("t");
  await face.broker.produce("t", [{ value: "a" }, { value: "b" }]);
  await face.close();
  face = await openFace({ storage: storage.crash(() => 0) });
  await face.broker.produce("t", [{ value: "c" }]);
  for (const version of [2, 3, 4]) {
    deepStrictEqual(await ask(face, 0, { version }), [0, 0, 2]);
    deepStrictEqual(await ask(face, 1, { version }), [0, 1, 3]);
    deepStrictEqual(await ask(face, 2, { version }), [0, -1, -1], "nobody knows of it");
  }
  deepStrictEqual(await ask(face, 0, { current: 1 }), [0, 0, 2]);
  deepStrictEqual(await ask(face, 0, { current: 0 }), [kafkaErrors.FENCED_LEADER_EPOCH.code, -1, -1]);
  deepStrictEqual(await ask(face, 0, { current: 2 }), [kafkaErrors.UNKNOWN_LEADER_EPOCH.code, -1, -1]);
  deepStrictEqual(await ask(face, 0, { partition: 3 }), [kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION.code, -1, -1]);
  await face.close();
});
