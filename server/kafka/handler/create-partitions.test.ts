import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { createPartitions } from "../schema/create-partitions.ts";
import { openAsked, said, versionsOf } from "./admin.test.support.ts";

const timeoutMs = 1000;
const on = (...brokers: number[][]) => brokers.map((brokerIds) => ({ brokerIds }));

for (const version of versionsOf(createPartitions)) {
  test(`version ${version} adds partitions, unless it is to validate only`, async () => {
    const { broker, ask } = await openAsked();
    await broker.createTopic("a");
    await broker.createTopic("b", { partitions: 2 });
    const request = {
      topics: [
        { name: "a", count: 3, assignments: null },
        { name: "b", count: 4, assignments: on([7], [7]) },
        { name: "never", count: 4, assignments: null },
      ],
      timeoutMs,
    };
    const counts = (): number[] => broker.listTopics().map(({ partitions }) => partitions);
    const words = ["NONE", "NONE", "UNKNOWN_TOPIC_OR_PARTITION: topic 'never' does not exist"];
    const planned = await ask(createPartitions, version, { ...request, validateOnly: true });
    deepStrictEqual(planned.results.map(said), words);
    deepStrictEqual(counts(), [1, 2]);
    const { results } = await ask(createPartitions, version, { ...request, validateOnly: false });
    deepStrictEqual(results.map(said), words);
    deepStrictEqual(counts(), [3, 4]);
  });

  test(`version ${version} says why a topic stays as it is`, async () => {
    const { broker, ask } = await openAsked();
    for (const name of ["same", "fewer", "many", "far", "short", "empty", "twice"]) {
      await broker.createTopic(name, { partitions: 2 });
    }
    for (const validateOnly of [true, false]) {
      const { results } = await ask(createPartitions, version, {
        topics: [
          { name: "same", count: 2, assignments: null },
          { name: "fewer", count: 1, assignments: null },
          { name: "many", count: 10_001, assignments: null },
          { name: "far", count: 4, assignments: on([7], [3]) },
          { name: "short", count: 4, assignments: on([7]) },
          { name: "empty", count: 3, assignments: on([]) },
          { name: "twice", count: 5, assignments: null },
          { name: "twice", count: 6, assignments: null },
        ],
        timeoutMs,
        validateOnly,
      });
      const words = [
        /^INVALID_PARTITIONS: topic 'same' has 2 partitions already/,
        /^INVALID_PARTITIONS: .*2 partitions, which cannot become 1/,
        /^INVALID_PARTITIONS: 10001 partitions: choose 1 to 10000/,
        /^INVALID_REPLICA_ASSIGNMENT: partition 3 is assigned to broker 3/,
        /^INVALID_REPLICA_ASSIGNMENT: 1 assignments are given, and 2 partitions/,
        /^INVALID_REPLICA_ASSIGNMENT: partition 2 is assigned to no broker/,
        /^INVALID_REQUEST: topic 'twice' is in the request 2 times/,
      ];
      strictEqual(results.length, words.length);
      for (const [at, one] of results.entries()) match(said(one), words[at]!);
    }
    for (const { name, partitions } of broker.listTopics()) strictEqual(partitions, 2, name);
  });
}

test("no request adds more partitions than may be made at once", async () => {
  const { broker, ask } = await openAsked();
  for (const name of ["a", "b"]) await broker.createTopic(name);
  const topics = ["a", "b"].map((name) => ({ name, count: 6000, assignments: null }));
  const { results } = await ask(createPartitions, 3, { topics, timeoutMs, validateOnly: false });
  for (const one of results) match(said(one), /^POLICY_VIOLATION: 11998 partitions in one request/);
  const alone = await ask(createPartitions, 3, { topics: topics.slice(1), timeoutMs, validateOnly: true });
  strictEqual(said(alone.results[0]!), "NONE");
});
