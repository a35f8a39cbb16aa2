import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { deleteTopics } from "../schema/delete-topics.ts";
import { openAsked, said, versionsOf } from "./admin.test.support.ts";
import { maxNamed } from "./outcome.ts";

const noId = "0".repeat(32);
const foreignId = "f".repeat(32);
const timeoutMs = 1000;

for (const version of versionsOf(deleteTopics)) {
  test(`version ${version} deletes by name`, async () => {
    const { broker, ask } = await openAsked();
    const { id } = await broker.createTopic("gone");
    await broker.createTopic("stays");
    const { responses } = await ask(deleteTopics, version, {
      ...(version >= 6
        ? { topics: ["gone", "never"].map((name) => ({ name, topicId: noId })) }
        : { topicNames: ["gone", "never"] }),
      timeoutMs,
    });
    deepStrictEqual(
      responses.map(({ name, topicId }) => [name, topicId]),
      [
        ["gone", version >= 6 ? id : noId],
        ["never", noId],
      ],
    );
    deepStrictEqual(responses.map(said), [
      "NONE",
      `UNKNOWN_TOPIC_OR_PARTITION${version >= 5 ? ": topic 'never' does not exist" : ""}`,
    ]);
    deepStrictEqual(
      broker.listTopics().map(({ name }) => name),
      ["stays"],
    );
  });
}

test("a topic is deleted by its id, and nothing by another's", async () => {
  const { broker, ask } = await openAsked();
  const { id } = await broker.createTopic("gone");
  await broker.createTopic("stays");
  const { responses } = await ask(deleteTopics, 6, {
    topics: [id, foreignId].map((topicId) => ({ name: null, topicId })),
    timeoutMs,
  });
  deepStrictEqual(
    responses.map((one) => [one.name, one.topicId, said(one)]),
    [
      ["gone", id, "NONE"],
      [null, foreignId, `UNKNOWN_TOPIC_ID: no topic has the id ${foreignId}`],
    ],
  );
  deepStrictEqual(
    broker.listTopics().map(({ name }) => name),
    ["stays"],
  );
});

test("a topic that was deleted and made again in the meantime is another one", async () => {
  const { broker, ask } = await openAsked();
  const { id } = await broker.createTopic("t");
  const deleted = broker.deleteTopic("t");
  const made = broker.createTopic("t");
  const { responses } = await ask(deleteTopics, 6, { topics: [{ name: null, topicId: id }], timeoutMs });
  match(said(responses[0]!), /^UNKNOWN_TOPIC_ID/);
  await deleted;
  strictEqual(broker.describeTopic("t").id, (await made).id);
});

test("a topic that is named twice, in whatever way, stays", async () => {
  const { broker, ask } = await openAsked();
  const { id: a } = await broker.createTopic("a");
  const { id: b } = await broker.createTopic("b");
  await broker.createTopic("c");
  const byName = (name: string) => ({ name, topicId: noId });
  const byId = (topicId: string) => ({ name: null, topicId });
  const { responses } = await ask(deleteTopics, 6, {
    topics: [byName("a"), byId(a), byId(b), byId(b), byName("c"), byName("x"), byName("x")],
    timeoutMs,
  });
  deepStrictEqual(responses.map(said), [
    "INVALID_REQUEST: topic 'a' is in the request by its name and by its id",
    "INVALID_REQUEST: topic 'a' is in the request by its name and by its id",
    `INVALID_REQUEST: topic ${b} is in the request 2 times`,
    "NONE",
    "INVALID_REQUEST: topic 'x' is in the request 2 times",
  ]);
  deepStrictEqual(
    broker.listTopics().map(({ name }) => name),
    ["a", "b"],
  );
});

test("a topic is given by its name or by its id, not by both or neither", async () => {
  const { broker, ask } = await openAsked();
  const { id } = await broker.createTopic("a");
  const topics = [
    { name: "a", topicId: id },
    { name: null, topicId: noId },
  ];
  const { responses } = await ask(deleteTopics, 6, { topics, timeoutMs });
  match(said(responses[0]!), /^INVALID_REQUEST: topic 'a' is given by its name and by an id/);
  match(said(responses[1]!), /^INVALID_REQUEST: a topic is given neither/);
  strictEqual(broker.listTopics().length, 1);
});

test("a request that names too many deletes none", async () => {
  const { broker, ask } = await openAsked();
  await broker.createTopic("t0");
  const topicNames = Array.from({ length: maxNamed + 1 }, (_, at) => `t${at}`);
  const { responses } = await ask(deleteTopics, 5, { topicNames, timeoutMs });
  ok(responses.every((one) => said(one) === "INVALID_REQUEST"));
  strictEqual(broker.listTopics().length, 1);
});
