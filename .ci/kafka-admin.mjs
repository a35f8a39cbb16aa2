// Administration by Kafka's clients: every admin call that Moldau serves, against a server that runs.
//
//   node24 .ci/kafka-admin.mjs HOST:PORT [kafkajs|platformatic]...
//
// Owns: topics of its own, which are gone afterwards. Never: starts a server.
// kafkajs runs on every Node, @platformatic/kafka on Node 22 or 24. Prints how much was checked.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";

const topicResource = 2;
const brokerResource = 4;
const fromTopic = 1;
const byDefault = 5;
const records = 10;

/** Resolves to the number of calls that were made; rejects at the first that is not as it should be. */
export async function checkKafkajsAdmin(bootstrap) {
  const { default: kafkajs } = await import("kafkajs");
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;
  assert.deepEqual([ConfigResourceTypes.TOPIC, ConfigResourceTypes.BROKER], [topicResource, brokerResource]);
  const kafka = new Kafka({
    ...{ clientId: "admin", brokers: [bootstrap], logLevel: logLevel.NOTHING, retry: { retries: 0 } },
  });
  const counted = counting(kafka.admin());
  const admin = counted.client;
  const producer = kafka.producer();
  const [topic, other, planned] = newNames();
  await admin.connect();
  try {
    const cluster = await admin.describeCluster();
    assert.deepEqual(
      cluster.brokers.map(({ nodeId }) => nodeId),
      [cluster.controller],
    );
    assert.match(cluster.clusterId, /^[\w-]{22}$/);
    const broker = String(cluster.controller);

    const topics = [
      { topic, numPartitions: 2, configEntries: [{ name: "retention.ms", value: "3600000" }] },
      { topic: other, replicaAssignment: [{ partition: 0, replicas: [cluster.controller] }] },
    ];
    assert.equal(
      await admin.createTopics({ topics: [{ topic: planned }], validateOnly: true, waitForLeaders: false }),
      true,
    );
    assert.equal(await admin.createTopics({ topics }), true);
    assert.equal(await admin.createTopics({ topics: topics.slice(0, 1) }), false, "it is there already");
    await refused(
      () => admin.createTopics({ topics: [{ topic: planned, replicationFactor: 3 }] }),
      "INVALID_REPLICATION_FACTOR",
    );
    await refused(() => admin.createTopics({ topics: [{ topic: "a b" }] }), "INVALID_TOPIC_EXCEPTION");
    await refused(
      () => admin.createTopics({ topics: [{ topic: planned, configEntries: [{ name: "colour", value: "red" }] }] }),
      "INVALID_CONFIG",
    );
    const listed = await admin.listTopics();
    assert.deepEqual(
      [topic, other, planned].map((name) => listed.includes(name)),
      [true, true, false],
    );

    await admin.createPartitions({ topicPartitions: [{ topic, count: 9 }], validateOnly: true });
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] });
    await refused(() => admin.createPartitions({ topicPartitions: [{ topic, count: 2 }] }), "INVALID_PARTITIONS");
    const { topics: described } = await admin.fetchTopicMetadata({ topics: [topic, other] });
    const counts = new Map(described.map(({ name, partitions }) => [name, partitions.length]));
    assert.deepEqual([counts.get(topic), counts.get(other), counts.size], [3, 1, 2]);

    const config = async (name) => {
      const resources = [{ type: topicResource, name: topic, configNames: [name] }];
      const answer = await admin.describeConfigs({ resources, includeSynonyms: true });
      const [{ configName, configValue, configSource, readOnly, configSynonyms }] = answer.resources[0].configEntries;
      assert.deepEqual([configName, readOnly], [name, false]);
      return [configValue, configSource, configSynonyms.length];
    };
    assert.deepEqual(await config("retention.ms"), ["3600000", fromTopic, 2]);
    assert.deepEqual(await config("retention.bytes"), ["-1", byDefault, 1]);
    const alter = (name, value, validateOnly = false) =>
      admin.alterConfigs({
        validateOnly,
        resources: [{ type: topicResource, name: topic, configEntries: [{ name, value }] }],
      });
    await alter("segment.ms", "60000", true);
    await refused(() => alter("segment.ms", "soon"), "INVALID_CONFIG");
    assert.deepEqual(await config("retention.ms"), ["3600000", fromTopic, 2]);
    await alter("segment.ms", "60000");
    assert.deepEqual(await config("segment.ms"), ["60000", fromTopic, 2]);
    assert.deepEqual(await config("retention.ms"), ["604800000", byDefault, 1], "what was left out is a default again");
    const all = await admin.describeConfigs({
      ...{ resources: [{ type: topicResource, name: topic }], includeSynonyms: false },
    });
    assert.ok(all.resources[0].configEntries.length > 10);
    const ofBroker = await admin.describeConfigs({
      ...{ resources: [{ type: brokerResource, name: broker }], includeSynonyms: false },
    });
    const entries = new Map(ofBroker.resources[0].configEntries.map((entry) => [entry.configName, entry]));
    assert.deepEqual([entries.get("node.id").configValue, entries.get("node.id").readOnly], [broker, true]);
    assert.equal(entries.get("log.retention.ms").configValue, "604800000");

    await producer.connect();
    const messages = Array.from({ length: records }, (_, at) => ({ partition: 1, value: `v${at}` }));
    await producer.send({ topic, messages });
    const range = async () => {
      const { low, high } = (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 1);
      return [Number(low), Number(high)];
    };
    assert.deepEqual(await range(), [0, records]);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "4" }] });
    assert.deepEqual(await range(), [4, records]);
    const tooFar = [{ partition: 1, offset: String(records + 1) }];
    await refused(() => admin.deleteTopicRecords({ topic, partitions: tooFar }), "OFFSET_OUT_OF_RANGE");
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 1, offset: "-1" }] });
    assert.deepEqual(await range(), [records, records]);

    // What is not served is refused by the client itself, and the connection goes on.
    await assert.rejects(
      () =>
        admin.describeAcls({
          ...{ resourceType: AclResourceTypes.TOPIC, resourceName: topic, resourcePatternType: 3 },
          ...{ operation: AclOperationTypes.ANY, permissionType: AclPermissionTypes.ANY },
        }),
      { name: "KafkaJSServerDoesNotSupportApiKey" },
    );
    await admin.deleteTopics({ topics: [topic, other] });
    await refused(() => admin.deleteTopics({ topics: [topic] }), "UNKNOWN_TOPIC_OR_PARTITION");
    assert.ok(!(await admin.listTopics()).includes(topic));
    return counted.calls();
  } finally {
    await producer.disconnect();
    await admin.deleteTopics({ topics: [topic, other] }).catch(() => {});
    await admin.disconnect();
  }
}

/** The same with the newer versions, and with what kafkajs does not know. */
export async function checkPlatformaticAdmin(bootstrap) {
  const { Admin, IncrementalAlterConfigOperationTypes, ListOffsetTimestamps, Producer, stringSerializers } =
    await import("@platformatic/kafka");
  const { APPEND, DELETE, SET, SUBTRACT } = IncrementalAlterConfigOperationTypes;
  const options = { clientId: "admin", bootstrapBrokers: [bootstrap], timeout: 10_000, retries: 0 };
  const counted = counting(new Admin(options));
  const admin = counted.client;
  const producer = new Producer({ ...options, serializers: stringSerializers, autocreateTopics: false });
  const [topic, other, planned] = newNames();
  try {
    const { brokers, controllerId } = await admin.metadata({ topics: [] });
    assert.ok(brokers.has(controllerId));
    const configs = [{ name: "retention.ms", value: "3600000" }];
    const [made] = await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1, configs });
    assert.deepEqual([made.name, made.partitions, made.replicas], [topic, 2, 1]);
    assert.match(made.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(made.configuration["retention.ms"], "3600000");
    await admin.createTopics({
      ...{ topics: [{ topic: other, assignments: [{ partition: 0, brokers: [controllerId] }] }] },
      ...{ partitions: -1, replicas: -1 },
    });
    await refused(() => admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 }), "TOPIC_ALREADY_EXISTS");
    await refused(
      () => admin.createTopics({ topics: [planned], partitions: 1, replicas: 3 }),
      "INVALID_REPLICATION_FACTOR",
    );
    await refused(() => admin.createTopics({ topics: [planned], partitions: 0, replicas: 1 }), "INVALID_PARTITIONS");
    const listed = await admin.listTopics();
    assert.deepEqual(
      [topic, other, planned].map((name) => listed.includes(name)),
      [true, true, false],
    );

    await admin.createPartitions({ topics: [{ name: topic, count: 9 }], validateOnly: true });
    await admin.createPartitions({
      topics: [{ name: topic, count: 3, assignments: [{ brokerIds: [controllerId] }] }],
    });
    await refused(() => admin.createPartitions({ topics: [{ name: topic, count: 3 }] }), "INVALID_PARTITIONS");
    const metadata = await admin.metadata({ topics: [topic] });
    assert.equal(metadata.topics.get(topic).partitionsCount, 3);
    assert.equal(metadata.topics.get(topic).id, made.id);

    const config = async (name) => {
      const [{ configs: found }] = await admin.describeConfigs({
        ...{ resources: [{ resourceType: topicResource, resourceName: topic, configurationKeys: [name] }] },
        ...{ includeSynonyms: true, includeDocumentation: true },
      });
      assert.equal(found.length, 1);
      assert.match(found[0].documentation, /\.$/);
      return [found[0].value, found[0].configSource, found[0].synonyms.length];
    };
    const resourceOf = (configs) => [{ resourceType: topicResource, resourceName: topic, configs }];
    assert.deepEqual(await config("retention.ms"), ["3600000", fromTopic, 2]);
    const changes = [
      { name: "segment.ms", configOperation: SET, value: "60000" },
      { name: "retention.ms", configOperation: DELETE },
      { name: "cleanup.policy", configOperation: APPEND, value: "delete" },
    ];
    await admin.incrementalAlterConfigs({ resources: resourceOf(changes), validateOnly: true });
    assert.deepEqual(await config("segment.ms"), ["604800000", byDefault, 1]);
    await admin.incrementalAlterConfigs({ resources: resourceOf(changes), validateOnly: false });
    assert.deepEqual(await config("segment.ms"), ["60000", fromTopic, 2]);
    assert.deepEqual(await config("retention.ms"), ["604800000", byDefault, 1]);
    assert.deepEqual(await config("cleanup.policy"), ["delete", fromTopic, 2]);
    await refused(
      () =>
        admin.incrementalAlterConfigs({
          resources: resourceOf([{ name: "segment.ms", configOperation: SUBTRACT, value: "1" }]),
        }),
      "INVALID_CONFIG",
    );
    await admin.alterConfigs({ resources: resourceOf([{ name: "flush.ms", value: "9" }]), validateOnly: false });
    assert.deepEqual(await config("segment.ms"), ["604800000", byDefault, 1]);
    assert.deepEqual(await config("flush.ms"), ["9", fromTopic, 2]);
    await refused(
      () => admin.alterConfigs({ resources: resourceOf([{ name: "colour", value: "red" }]) }),
      "INVALID_CONFIG",
    );
    const broker = { resourceType: brokerResource, resourceName: String(controllerId) };
    const [{ configs: ofBroker }] = await admin.describeConfigs({ resources: [broker] });
    assert.equal(ofBroker.find(({ name }) => name === "node.id").value, String(controllerId));
    await refused(
      () => admin.alterConfigs({ resources: [{ ...broker, configs: [{ name: "num.partitions", value: "9" }] }] }),
      "INVALID_REQUEST",
    );

    const messages = Array.from({ length: records }, (_, at) => ({ topic, partition: 1, value: `v${at}` }));
    await producer.send({ messages, acks: -1 });
    const [{ results }] = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0, 1] }] });
    const [{ logDir, topics: sizes }] = results;
    assert.ok(logDir.length > 0);
    assert.deepEqual(
      sizes[0].partitions.map(({ partitionIndex, partitionSize }) => [partitionIndex, partitionSize > 0n]),
      [
        [0, false],
        [1, true],
      ],
    );
    const range = async () => {
      const ends = [ListOffsetTimestamps.EARLIEST, ListOffsetTimestamps.LATEST].map(async (timestamp) => {
        const partitions = [{ partitionIndex: 1, timestamp }];
        return Number((await admin.listOffsets({ topics: [{ name: topic, partitions }] }))[0].partitions[0].offset);
      });
      return Promise.all(ends);
    };
    const deleteBefore = async (offset) =>
      (await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 1, offset }] }] }))[0]
        .partitions[0].lowWatermark;
    assert.deepEqual(await range(), [0, records]);
    assert.equal(await deleteBefore(4n), 4n);
    assert.deepEqual(await range(), [4, records]);
    await refused(() => deleteBefore(BigInt(records + 1)), "OFFSET_OUT_OF_RANGE");
    assert.equal(await deleteBefore(-1n), BigInt(records));

    await admin.deleteTopics({ topics: [topic, other] });
    await refused(() => admin.deleteTopics({ topics: [topic] }), "UNKNOWN_TOPIC_OR_PARTITION");
    assert.ok(!(await admin.listTopics()).includes(topic));
    return counted.calls();
  } finally {
    await producer.close();
    await admin.deleteTopics({ topics: [topic, other] }).catch(() => {});
    await admin.close();
  }
}

function newNames() {
  const run = randomBytes(6).toString("hex");
  return ["topic", "other", "planned"].map((name) => `admin-${run}-${name}`);
}

/** Counts the calls of a client's methods, so that a check says how much of it was tried. */
function counting(target) {
  const called = new Set();
  let calls = 0;
  const client = new Proxy(target, {
    get(_, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args) => {
        calls += 1;
        called.add(name);
        return value.apply(target, args);
      };
    },
  });
  return { client, calls: () => ({ calls, methods: [...called].sort() }) };
}

/** Each client hides the answer's error somewhere else. */
async function refused(run, code) {
  const error = await run().then(
    () => assert.fail(`no ${code}`),
    (thrown) => thrown,
  );
  const codes = [];
  const seen = new Set();
  for (const waiting = [error]; waiting.length > 0; ) {
    const one = waiting.pop();
    if (one === null || typeof one !== "object" || seen.has(one)) continue;
    seen.add(one);
    codes.push(one.type, one.apiId);
    waiting.push(...[one.errors, one.partitions, one.cause, one.error].flat());
  }
  assert.ok(
    codes.includes(code),
    `${code} was to be expected, and it is ${codes.filter(Boolean).join(", ")}: ${error.stack}`,
  );
}

const checks = { kafkajs: checkKafkajsAdmin, platformatic: checkPlatformaticAdmin };

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const [bootstrap, ...named] = process.argv.slice(2);
  for (const name of named.length === 0 ? Object.keys(checks) : named) {
    const { calls, methods } = await checks[name](bootstrap);
    console.log(`${name}: ${calls} calls of ${methods.join(", ")}`);
  }
}
