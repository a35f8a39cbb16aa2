import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { drain, type ManualClock } from "../../../engine/broker/world.test.support.ts";
import { openFace, type TestClient } from "../client.test.support.ts";
import { kafkaErrors } from "../errors.ts";
import { metadata } from "../schema/metadata.ts";
import { mostMadeByAsking, topicsPerTurn } from "./metadata.ts";

const zero = "0".repeat(32);

const named = (names: readonly string[] | null) => ({
  topics: names?.map((name) => ({ name, topicId: zero })) ?? null,
});

async function ask(client: TestClient, version: number, names: readonly string[] | null, more = {}) {
  const { topics } = await client.ask(metadata, version, { ...named(names), ...more });
  return topics.map(({ errorCode, name, partitions }) => [name, errorCode, partitions.length]);
}

test("who leads, who controls, and which cluster this is", async () => {
  const face = await openFace();
  await face.broker.createTopic("t", { partitions: 2 });
  const answer = await face.connect().ask(metadata, 8, named(["t"]));
  deepStrictEqual(answer.brokers, [{ nodeId: 0, host: "broker.test", port: 9092, rack: null }]);
  strictEqual(answer.controllerId, 0);
  strictEqual(answer.clusterId, face.broker.clusterId);
  match(answer.clusterId ?? "", /^[\w-]{22}$/);
  const [topic] = answer.topics;
  deepStrictEqual(topic?.partitions[1], {
    ...{ errorCode: 0, partitionIndex: 1, leaderId: 0, leaderEpoch: 0 },
    ...{ replicaNodes: [0], isrNodes: [0], offlineReplicas: [] },
  });
  strictEqual(topic?.isInternal, false);
  await face.close();
});

test("no topics is all of them: an empty list in version 0, null later, when empty is none", async () => {
  const face = await openFace();
  await face.broker.createTopic("a");
  await face.broker.createTopic("b", { partitions: 3 });
  const client = face.connect();
  const all = [
    ["a", 0, 1],
    ["b", 0, 3],
  ];
  deepStrictEqual(await ask(client, 0, []), all);
  deepStrictEqual(await ask(client, 1, null), all);
  deepStrictEqual(await ask(client, 12, null), all);
  deepStrictEqual(await ask(client, 1, []), []);
  deepStrictEqual(await ask(client, 9, ["b", "b"]), [["b", 0, 3]], "once, however often it is named");
  await face.close();
});

test("one request makes so many topics, and none for a client that has gone; the rest comes when it asks again", async () => {
  const numPartitions = mostMadeByAsking / 4;
  const face = await openFace({ face: { numPartitions } });
  const client = face.connect();
  await face.broker.createTopic("t0");
  const names = Array.from({ length: 7 }, (_, at) => `t${at}`);
  const { code: unknown } = kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
  const made = (name: string, at: number) => [name, 0, at === 0 ? 1 : numPartitions];
  deepStrictEqual(await ask(client, 4, names, { allowAutoTopicCreation: true }), [
    ...names.slice(0, 5).map(made),
    ["t5", unknown, 0],
    ["t6", unknown, 0],
  ]);
  deepStrictEqual(await ask(client, 4, names, { allowAutoTopicCreation: true }), names.map(made));

  const leaving = face.connect();
  const more = Array.from({ length: 4 }, (_, at) => `more${at}`);
  leaving.send(metadata, 4, { ...named(more), allowAutoTopicCreation: true });
  leaving.peer.closed();
  const count = () => face.broker.listTopics().filter(({ name }) => name.startsWith("more")).length;
  while (count() < 1) await new Promise((resolve) => setImmediate(resolve));
  // Time for another, when there is to be one: this one waits for its turn behind it.
  await face.broker.createTopic("last");
  strictEqual(count(), 1, "the one that was being made");
  await face.close();
});

test("a question for many topics lets others go first", async () => {
  const face = await openFace();
  const names = Array.from({ length: 4 * topicsPerTurn }, (_, at) => `t${at}`);
  const many = ask(face.connect(), 9, names, { allowAutoTopicCreation: false });
  let isAnswered = false;
  void many.then(() => (isAnswered = true));
  await drain();
  deepStrictEqual(await ask(face.connect(), 9, []), []);
  strictEqual(isAnswered, false);
  await (face.world.clock as ManualClock).advance(0);
  strictEqual((await many).length, names.length);
  await face.close();
});

test("a topic that is asked for is made, where broker and client let it", async () => {
  const face = await openFace({ face: { numPartitions: 4 } });
  const client = face.connect();
  const { code: unknown } = kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION;
  deepStrictEqual(await ask(client, 4, ["no"], { allowAutoTopicCreation: false }), [["no", unknown, 0]]);
  deepStrictEqual(await ask(client, 4, ["yes"], { allowAutoTopicCreation: true }), [["yes", 0, 4]]);
  deepStrictEqual(await ask(client, 1, ["early"]), [["early", 0, 4]], "versions 0 to 3 do not ask");
  deepStrictEqual(await ask(client, 4, ["a b"]), [["a b", kafkaErrors.INVALID_TOPIC_EXCEPTION.code, 0]]);
  deepStrictEqual(
    face.broker.listTopics().map(({ name }) => name),
    ["early", "yes"],
  );
  const [one, other] = [face.connect(), face.connect()];
  deepStrictEqual(await Promise.all([ask(one, 9, ["both"]), ask(other, 9, ["both"])]), [
    [["both", 0, 4]],
    [["both", 0, 4]],
  ]);
  await face.close();

  const strict = await openFace({ face: { autoCreateTopics: false } });
  deepStrictEqual(await ask(strict.connect(), 9, ["t"]), [["t", unknown, 0]]);
  strictEqual(strict.broker.listTopics().length, 0);
  await strict.close();
});

test("topics by id, from version 12 on", async () => {
  const face = await openFace();
  const { id } = await face.broker.createTopic("t");
  const client = face.connect();
  const byId = (topicId: string) => ({ topics: [{ topicId, name: null }] });
  const found = await client.ask(metadata, 12, byId(id));
  deepStrictEqual(
    found.topics.map(({ errorCode, name, topicId }) => [errorCode, name, topicId]),
    [[0, "t", id]],
  );
  const other = id.replace(/./g, "7");
  const missing = await client.ask(metadata, 12, byId(other));
  deepStrictEqual(
    missing.topics.map(({ errorCode, name, topicId }) => [errorCode, name, topicId]),
    [[kafkaErrors.UNKNOWN_TOPIC_ID.code, null, other]],
  );
  const early = await client.ask(metadata, 10, { topics: [{ topicId: id, name: "t" }] });
  strictEqual(early.topics[0]?.errorCode, kafkaErrors.INVALID_REQUEST.code);
  strictEqual(face.broker.listTopics().length, 1, "nothing was made of an id");
  await face.close();
});

test("what a client may do is told when it asks", async () => {
  const face = await openFace();
  await face.broker.createTopic("t");
  const client = face.connect();
  const silent = await client.ask(metadata, 8, named(["t"]));
  deepStrictEqual(
    [silent.clusterAuthorizedOperations, silent.topics[0]?.topicAuthorizedOperations],
    [-(2 ** 31), -(2 ** 31)],
  );
  const both = { includeClusterAuthorizedOperations: true, includeTopicAuthorizedOperations: true };
  const told = await client.ask(metadata, 8, { ...named(["t"]), ...both });
  // Kafka's own numbers without an authorizer.
  deepStrictEqual([told.clusterAuthorizedOperations, told.topics[0]?.topicAuthorizedOperations], [8096, 3576]);
  await face.close();
});
