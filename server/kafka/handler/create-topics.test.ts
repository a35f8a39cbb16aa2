import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { configNames } from "../../../engine/index.ts";
import { createTopics } from "../schema/create-topics.ts";
import type { RequestOf } from "../schema/notation.ts";
import { openAsked, said, versionsOf } from "./admin.test.support.ts";
import { maxNamed } from "./outcome.ts";

type Topic = RequestOf<typeof createTopics>["topics"][number];

const topic = (name: string, options: Partial<Topic> = {}): Topic => ({
  ...{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
  ...options,
});
const assigned = (...brokers: number[][]): Partial<Topic> => ({
  ...{ numPartitions: -1, replicationFactor: -1 },
  assignments: brokers.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds })),
});

for (const version of versionsOf(createTopics)) {
  test(`version ${version} makes topics, and says what they are`, async () => {
    const { broker, ask } = await openAsked();
    const { topics } = await ask(createTopics, version, {
      topics: [
        topic("plain"),
        topic("wide", { numPartitions: 4, configs: [{ name: "retention.ms", value: "5" }] }),
        topic("default", { numPartitions: -1, replicationFactor: -1 }),
        topic("by.hand", assigned([7], [7])),
      ],
    });
    deepStrictEqual(topics.map(said), ["NONE", "NONE", "NONE", "NONE"]);
    deepStrictEqual(
      topics.map(({ name }) => broker.describeTopic(name).partitions.length),
      [1, 4, 3, 2],
    );
    const wide = topics[1]!;
    strictEqual(wide.topicId, version >= 7 ? broker.describeTopic("wide").id : "0".repeat(32));
    if (version < 5) return;
    deepStrictEqual([wide.numPartitions, wide.replicationFactor], [4, 1]);
    deepStrictEqual(
      wide.configs?.map(({ name }) => name),
      configNames,
    );
    const shown = { readOnly: false, isSensitive: false };
    deepStrictEqual(
      wide.configs?.filter(({ name }) => name.startsWith("retention")),
      [
        { name: "retention.bytes", value: "-1", configSource: 5, ...shown },
        { name: "retention.ms", value: "5", configSource: 1, ...shown },
      ],
    );
  });

  test(`version ${version} makes nothing of what is validated only`, async () => {
    const { broker, ask } = await openAsked();
    await broker.createTopic("there");
    const { topics } = await ask(createTopics, version, {
      topics: [topic("new", { numPartitions: 9 }), topic("there"), topic("a b")],
      validateOnly: true,
    });
    deepStrictEqual(
      topics.map((one) => said(one).replace(/:.*/, "")),
      ["NONE", "TOPIC_ALREADY_EXISTS", "INVALID_TOPIC_EXCEPTION"],
    );
    strictEqual(topics[0]!.topicId, "0".repeat(32));
    strictEqual(topics[0]!.numPartitions, version >= 5 ? 9 : -1);
    deepStrictEqual(
      broker.listTopics().map(({ name }) => name),
      ["there"],
    );
  });
}

test("each topic is refused with its own words, and the others are made", async () => {
  const { broker, ask } = await openAsked();
  await broker.createTopic("there", { partitions: 1 });
  const refusals: [Topic, RegExp][] = [
    [topic("there"), /^TOPIC_ALREADY_EXISTS: topic 'there' exists/],
    [topic(""), /^INVALID_TOPIC_EXCEPTION: '' is no topic name: it is empty/],
    [topic("x".repeat(250)), /^INVALID_TOPIC_EXCEPTION: .*250 characters/],
    [topic("none", { numPartitions: 0 }), /^INVALID_PARTITIONS: 0 partitions: choose 1 to 10000/],
    [topic("less", { numPartitions: -2 }), /^INVALID_PARTITIONS: -2/],
    [topic("many", { numPartitions: 10_001 }), /^INVALID_PARTITIONS: 10001/],
    [topic("two", { replicationFactor: 2 }), /^INVALID_REPLICATION_FACTOR: .*as many brokers, and there is one/],
    [topic("zero", { replicationFactor: 0 }), /^INVALID_REPLICATION_FACTOR: .*choose 1, or -1/],
    [topic("both", { ...assigned([7]), numPartitions: 1 }), /^INVALID_REQUEST: the assignments say how many/],
    [topic("both2", { ...assigned([7]), replicationFactor: 1 }), /^INVALID_REQUEST: the assignments say how many/],
    [topic("far", assigned([7], [8])), /^INVALID_REPLICA_ASSIGNMENT: partition 1 is assigned to broker 8/],
    [topic("nowhere", assigned([])), /^INVALID_REPLICA_ASSIGNMENT: partition 0 is assigned to no broker/],
    [topic("twice", assigned([7, 7])), /^INVALID_REPLICA_ASSIGNMENT: .*broker 7 more than once/],
    [
      topic("gap", { ...assigned([7]), assignments: [{ partitionIndex: 1, brokerIds: [7] }] }),
      /^INVALID_REPLICA_ASSIGNMENT: partition 1 is not among 0 to 0/,
    ],
    [
      topic("again", {
        ...assigned([7], [7]),
        assignments: [0, 0].map((partitionIndex) => ({ partitionIndex, brokerIds: [7] })),
      }),
      /^INVALID_REPLICA_ASSIGNMENT: partition 0 is assigned twice/,
    ],
    [topic("colour", { configs: [{ name: "colour", value: "red" }] }), /^INVALID_CONFIG: there is no config 'colour'/],
    [topic("proto", { configs: [{ name: "__proto__", value: "1" }] }), /^INVALID_CONFIG: .*'__proto__'/],
    [topic("bad", { configs: [{ name: "retention.ms", value: "x" }] }), /^INVALID_CONFIG: .*cannot be 'x'/],
    [topic("null", { configs: [{ name: "retention.ms", value: null }] }), /^INVALID_REQUEST: .*without a value/],
    [
      topic("same", { configs: [1, 2].map((value) => ({ name: "retention.ms", value: String(value) })) }),
      /^INVALID_REQUEST: config 'retention.ms' is given more than once/,
    ],
    [
      topic("long", { configs: [{ name: "n".repeat(20_000), value: "1" }] }),
      /^INVALID_CONFIG: there is no config 'n{900,}\.\.\.$/,
    ],
  ];
  for (const version of versionsOf(createTopics)) {
    const good = topic(`good-${version}`);
    const { topics } = await ask(createTopics, version, { topics: [...refusals.map(([one]) => one), good] });
    for (const [at, [{ name }, words]] of refusals.entries()) {
      match(said(topics[at]!), words);
      strictEqual(topics[at]!.name, name);
    }
    strictEqual(said(topics.at(-1)!), "NONE");
    ok(broker.listTopics().some(({ name }) => name === good.name));
  }
  strictEqual(broker.listTopics().length, 1 + versionsOf(createTopics).length);
});

test("a name that comes twice is answered once and made by neither", async () => {
  const { broker, ask } = await openAsked();
  const { topics } = await ask(createTopics, 7, { topics: [topic("a"), topic("b"), topic("a")] });
  deepStrictEqual(
    topics.map((one) => [one.name, said(one)]),
    [
      ["a", "INVALID_REQUEST: topic 'a' is in the request 2 times"],
      ["b", "NONE"],
    ],
  );
  deepStrictEqual(
    broker.listTopics().map(({ name }) => name),
    ["b"],
  );
});

test("no request makes more partitions than may be made at once, or names more topics", async () => {
  const { broker, ask } = await openAsked();
  const three = ["a", "b", "c"].map((name) => topic(name, { numPartitions: 4000 }));
  const { topics } = await ask(createTopics, 7, { topics: [...three, topic("d", { numPartitions: 20_000 })] });
  for (const one of topics) match(said(one), /^POLICY_VIOLATION: 12000 partitions in one request: the most is 10000/);
  const many = Array.from({ length: maxNamed + 1 }, (_, at) => topic(`t${at}`));
  const refused = await ask(createTopics, 7, { topics: many });
  strictEqual(refused.topics.length, many.length);
  ok(refused.topics.every((one) => said(one) === "INVALID_REQUEST"));
  deepStrictEqual(broker.listTopics(), []);
});

test("two requests for one topic: the first makes it, the second is told", async () => {
  const { ask } = await openAsked();
  const answers = await Promise.all([1, 2].map(() => ask(createTopics, 7, { topics: [topic("a")] })));
  deepStrictEqual(
    answers.map(({ topics }) => said(topics[0]!)),
    ["NONE", "TOPIC_ALREADY_EXISTS: topic 'a' exists already"],
  );
});
