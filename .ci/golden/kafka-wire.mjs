// Requests as two other implementations write them, and our answers, which they have read:
// kafkajs and @platformatic/kafka, whose versions .ci/package.json pins. Writes
// server/kafka/golden.test.generated.ts.
//
//   npm ci --prefix .ci && .ci/node_modules/node24/bin/node .ci/golden/kafka-wire.mjs
//
// A request is encoded by the client's own code, header included. An answer is encoded by ours and
// decoded by the client's own code; every number and text that we said has to be among what it
// read, or this fails, so that a recorded answer is one that was understood.
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createRecordsBatch } from "@platformatic/kafka";
import kafkajsPackage from "kafkajs";
import createMessageSet from "kafkajs/src/protocol/messageSet/index.js";
import encodeByKafkajs from "kafkajs/src/protocol/request.js";
import { writeResponse } from "../../server/kafka/schema/codec.ts";
import { apis } from "../../server/kafka/schema/index.ts";
import { atVersion, leavesOf, sampleOf } from "../../server/kafka/schema/sample.test.support.ts";

const require = createRequire(import.meta.url);
const clientId = "golden";
const correlationId = 77;
const timestamp = 1_767_000_000_000;
const records = [{ key: Buffer.from("k"), value: Buffer.from("said once") }];

// ── @platformatic/kafka

const platformaticRoot = new URL(".", import.meta.resolve("@platformatic/kafka"));
const { Reader } = await import(new URL("protocol/reader.js", platformaticRoot));
const { Writer } = await import(new URL("protocol/writer.js", platformaticRoot));
const platformaticFolders = ["admin", "consumer", "metadata", "producer"].map(
  (folder) => new URL(`apis/${folder}/`, platformaticRoot),
);

const bigints = new Set(["offset", "fetchOffset", "timestamp", "committedOffset"]);
const dashed = (id) => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
/** Their types for the same things. */
function theirs(value, name) {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map((item) => theirs(item, name));
  if (typeof value === "number" && bigints.has(name)) return BigInt(value);
  if (name === "topicId") return dashed(value);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, theirs(item, inner)]));
}

const named = ({ name, partitions }) => ({ topic: name, partitions });
const batchOf = (transactionalId) =>
  createRecordsBatch(
    records.map((record) => ({
      ...record,
      topic: "t",
      partition: 0,
      timestamp: BigInt(timestamp),
      headers: new Map(),
    })),
    { transactionalId },
  ).buffer;

/** How the arguments of their encoders come out of a request of ours. */
const platformatic = {
  Produce: (request) => [
    request.acks,
    request.timeoutMs,
    request.topicData.flatMap(({ name, partitionData }) =>
      partitionData.flatMap(({ index }) =>
        records.map((record) => ({
          ...record,
          topic: name,
          partition: index,
          timestamp: BigInt(timestamp),
          headers: new Map(),
        })),
      ),
    ),
    { transactionalId: request.transactionalId },
  ],
  Fetch: (request, version) => {
    const byId = (topics) => topics.map((one) => ({ ...one, topicId: version >= 13 ? one.topicId : one.topic }));
    const { maxWaitMs, minBytes, maxBytes, isolationLevel, sessionId, sessionEpoch, rackId } = request;
    const limits = [maxWaitMs, minBytes, maxBytes, isolationLevel, sessionId, sessionEpoch];
    return [...limits, byId(request.topics), byId(request.forgottenTopicsData), rackId];
  },
  ListOffsets: (request) => [request.replicaId, request.isolationLevel, request.topics],
  Metadata: (request) => [
    request.topics,
    request.allowAutoTopicCreation,
    request.includeTopicAuthorizedOperations,
    request.includeClusterAuthorizedOperations,
  ],
  OffsetCommit: (request) => [
    request.groupId,
    request.generationIdOrMemberEpoch,
    request.memberId,
    request.groupInstanceId,
    request.topics,
  ],
  OffsetFetch: ({ groupId, topics, groups, requireStable }, version) => [
    version >= 8 ? groups : [{ groupId, topics }],
    requireStable,
  ],
  FindCoordinator: ({ key, keyType, coordinatorKeys }, version) => [keyType, version >= 4 ? coordinatorKeys : [key]],
  JoinGroup: Object.values,
  Heartbeat: Object.values,
  LeaveGroup: ({ groupId, memberId, members }, version) => [groupId, version >= 3 ? members : [{ memberId }]],
  SyncGroup: Object.values,
  DescribeGroups: Object.values,
  ListGroups: Object.values,
  ApiVersions: Object.values,
  CreateTopics: Object.values,
  DeleteTopics: ({ topics, topicNames, timeoutMs }, version) => [
    version >= 6 ? topics : topicNames.map((name) => ({ name })),
    timeoutMs,
  ],
  DeleteRecords: Object.values,
  InitProducerId: ({ transactionalId, transactionTimeoutMs, producerId, producerEpoch }) => [
    transactionalId,
    transactionTimeoutMs,
    BigInt(producerId),
    producerEpoch,
  ],
  OffsetForLeaderEpoch: ({ replicaId, topics }) => [
    replicaId,
    topics.map(({ topic, partitions }) => ({
      name: topic,
      partitions: partitions.map(({ partition, ...rest }) => ({ partitionIndex: partition, ...rest })),
    })),
  ],
  DescribeConfigs: Object.values,
  AlterConfigs: Object.values,
  DescribeLogDirs: ({ topics }) => [topics.map(({ topic, partitions }) => ({ name: topic, partitions }))],
  CreatePartitions: Object.values,
  DeleteGroups: Object.values,
  IncrementalAlterConfigs: Object.values,
  OffsetDelete: Object.values,
  DescribeCluster: Object.values,
  ConsumerGroupHeartbeat: Object.values,
  ConsumerGroupDescribe: Object.values,
};

/** What their encoders always say. */
const platformaticSays = {
  Fetch(request) {
    request.clusterId = null;
    request.replicaId = -1;
    request.replicaState = { replicaId: -1, replicaEpoch: -1 };
    for (const { partitions } of request.topics) for (const partition of partitions) partition.logStartOffset = -1;
  },
  OffsetCommit(request) {
    request.retentionTimeMs = -1;
  },
  Metadata(request, version) {
    if (version < 12) for (const topic of request.topics) topic.topicId = "0".repeat(32);
  },
  ListGroups(request) {
    request.typesFilter = ["consumer", "classic"];
  },
};

/** Their function of an API in a version, the headers that it asks for, and its decoder. */
async function platformaticApi({ name }, version) {
  const file = `${name.replace(/(?<!^)(?=[A-Z])/g, "-").toLowerCase()}-v${version}.js`;
  const folder = platformaticFolders.find((one) => existsSync(new URL(file, one)));
  if (folder === undefined) return null;
  const { api } = await import(new URL(file, folder));
  return (args = []) => {
    let sent;
    const send = (key, apiVersion, createPayload, parse, inRequest, inResponse) => {
      sent = { key, apiVersion, createPayload, parse, inRequest, inResponse };
    };
    api({ send }, ...args);
    return sent;
  };
}

async function requestByPlatformatic(api, version, request) {
  const call = await platformaticApi(api, version);
  if (call === null) return null;
  const { key, apiVersion, createPayload, inRequest } = call(platformatic[api.name](theirs(request), version));
  const writer = Writer.create()
    .appendInt16(key)
    .appendInt16(apiVersion)
    .appendInt32(correlationId)
    .appendString(clientId, false);
  if (inRequest) writer.appendTaggedFields();
  return writer.appendFrom(await createPayload()).prependLength().buffer;
}

async function readByPlatformatic(api, version, frame) {
  const call = await platformaticApi(api, version);
  if (call === null) return null;
  const { parse, inResponse, key, apiVersion } = call();
  const body = frame.subarray(inResponse ? 9 : 8);
  try {
    return await parse(correlationId, key, apiVersion, Reader.from(Buffer.from(body)));
  } catch (error) {
    // An answer with error codes is thrown, and says what it was.
    if (error.response === undefined) throw error;
    return error.response;
  }
}

// ── kafkajs

const kafkajsRoot = new URL("./requests/", import.meta.resolve("kafkajs/src/protocol/request.js"));
const kafkajs = {
  Produce: ({ acks, timeoutMs, topicData }) => ({
    acks,
    timeout: timeoutMs,
    topicData: topicData.map(({ name, partitionData }) => ({
      topic: name,
      partitions: partitionData.map(({ index }) => ({
        partition: index,
        messages: records.map((record) => ({ ...record, timestamp })),
      })),
    })),
  }),
  Fetch: (request) => ({
    ...request,
    maxWaitTime: request.maxWaitMs,
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((one) => ({ ...one, maxBytes: one.partitionMaxBytes })),
    })),
    forgottenTopics: request.forgottenTopicsData,
  }),
  ListOffsets: ({ replicaId, isolationLevel, topics }) => ({
    replicaId,
    isolationLevel,
    topics: topics.map(named).map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partitionIndex, timestamp: at }) => ({ partition: partitionIndex, timestamp: at })),
    })),
  }),
  Metadata: ({ topics, allowAutoTopicCreation }) => ({
    topics: topics.map(({ name }) => name),
    allowAutoTopicCreation,
  }),
  OffsetCommit: (request) => ({
    groupId: request.groupId,
    groupGenerationId: request.generationIdOrMemberEpoch,
    memberId: request.memberId,
    retentionTime: request.retentionTimeMs,
    topics: request.topics.map(({ name, partitions }) => ({
      topic: name,
      partitions: partitions.map(({ partitionIndex, committedOffset, committedMetadata }) => ({
        partition: partitionIndex,
        offset: committedOffset,
        metadata: committedMetadata,
      })),
    })),
  }),
  OffsetFetch: ({ groupId, topics }) => ({
    groupId,
    topics: topics.map(({ name, partitionIndexes }) => ({
      topic: name,
      partitions: partitionIndexes.map((partition) => ({ partition })),
    })),
  }),
  FindCoordinator: ({ key, keyType }) => ({ groupId: key, coordinatorType: keyType }),
  JoinGroup: ({ sessionTimeoutMs, rebalanceTimeoutMs, protocols, ...request }) => ({
    ...request,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: rebalanceTimeoutMs,
    groupProtocols: protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
  }),
  Heartbeat: ({ generationId, ...request }) => ({ ...request, groupGenerationId: generationId }),
  LeaveGroup: ({ groupId, memberId, members }) => ({ groupId, memberId, ...members[0] }),
  SyncGroup: ({ assignments, ...request }) => ({
    ...request,
    groupAssignment: assignments.map(({ memberId, assignment }) => ({
      memberId,
      memberAssignment: Buffer.from(assignment),
    })),
  }),
  DescribeGroups: ({ groups }) => ({ groupIds: groups }),
  ListGroups: () => ({}),
  ApiVersions: () => ({}),
  CreateTopics: ({ topics, timeoutMs, validateOnly }) => ({
    topics: topics.map(({ name, numPartitions, replicationFactor, assignments, configs }) => ({
      topic: name,
      numPartitions,
      replicationFactor,
      replicaAssignment: assignments.map(({ partitionIndex, brokerIds }) => ({
        partition: partitionIndex,
        replicas: brokerIds,
      })),
      configEntries: configs,
    })),
    timeout: timeoutMs,
    validateOnly,
  }),
  DeleteTopics: ({ topicNames, timeoutMs }) => ({ topics: topicNames, timeout: timeoutMs }),
  DeleteRecords: ({ topics, timeoutMs }) => ({
    topics: topics.map(({ name, partitions }) => ({
      topic: name,
      partitions: partitions.map(({ partitionIndex, offset }) => ({ partition: partitionIndex, offset })),
    })),
    timeout: timeoutMs,
  }),
  InitProducerId: ({ transactionalId, transactionTimeoutMs }) => ({
    transactionalId,
    transactionTimeout: transactionTimeoutMs,
  }),
  DescribeConfigs: ({ resources, includeSynonyms }) => ({
    resources: resources.map(({ resourceType, resourceName, configurationKeys }) => ({
      type: resourceType,
      name: resourceName,
      configNames: configurationKeys,
    })),
    includeSynonyms,
  }),
  AlterConfigs: ({ resources, validateOnly }) => ({
    resources: resources.map(({ resourceType, resourceName, configs }) => ({
      type: resourceType,
      name: resourceName,
      configEntries: configs,
    })),
    validateOnly,
  }),
  CreatePartitions: ({ topics, timeoutMs, validateOnly }) => ({
    topicPartitions: topics.map(({ name, count, assignments }) => ({
      topic: name,
      count,
      assignments: assignments.map(({ brokerIds }) => brokerIds),
    })),
    timeout: timeoutMs,
    validateOnly,
  }),
  DeleteGroups: ({ groupsNames }) => groupsNames,
};

const kafkajsSays = {
  Produce(request) {
    // With one, every batch would be a transaction's.
    request.transactionalId = null;
  },
  LeaveGroup(request) {
    // Never more than itself.
    request.members.length = 1;
  },
  FindCoordinator(request, version) {
    if (version === 0) request.keyType = 0;
  },
};

function kafkajsApi({ name }, version, args) {
  const folder = `${name[0].toLowerCase()}${name.slice(1)}`;
  if (!existsSync(new URL(`${folder}/index.js`, kafkajsRoot))) return null;
  const create = require(new URL(folder, kafkajsRoot).pathname).protocol({ version });
  return create === undefined ? null : create(args);
}

async function requestByKafkajs(api, version, request) {
  if (kafkajs[api.name] === undefined) return null;
  const theirs = kafkajsApi(api, version, kafkajs[api.name](request));
  if (theirs === null) return null;
  return (await encodeByKafkajs({ correlationId, clientId, request: theirs.request })).buffer;
}

async function readByKafkajs(api, version, frame, request) {
  if (kafkajs[api.name] === undefined) return null;
  const theirs = kafkajsApi(api, version, kafkajs[api.name](request));
  if (theirs === null) return null;
  return await theirs.response.decode(Buffer.from(frame.subarray(8)));
}

// ── both

const clients = [
  { name: "kafkajs", request: requestByKafkajs, read: readByKafkajs, says: kafkajsSays },
  { name: "@platformatic/kafka", request: requestByPlatformatic, read: readByPlatformatic, says: platformaticSays },
];

/** The record batches that a request of theirs carries: their own. */
function setRecords(api, version, request) {
  if (api.name !== "Produce") return;
  const bytes =
    version < 3
      ? createMessageSet({
          messageVersion: version < 2 ? 0 : 1,
          // Version 0 does not say, and its offsets count up; with none (0) they are -1.
          compression: version < 2 ? undefined : 0,
          entries: records.map((record) => ({ ...record, timestamp })),
        }).buffer
      : batchOf(request.transactionalId);
  for (const { partitionData } of request.topicData)
    for (const partition of partitionData) partition.records = Uint8Array.from(bytes);
}

/** What a client read, as texts; its own spellings of the same things are made ours. */
function textsOf(value) {
  if (value instanceof Uint8Array) return [[...value].join(" ")];
  if (value instanceof Map) return [...value].flatMap(textsOf);
  if (Array.isArray(value)) return value.flatMap(textsOf);
  if (value === null || typeof value !== "object")
    return [String(value).replace(/^(.{8})-(.{4})-(.{4})-(.{4})-(.{12})$/, "$1$2$3$4$5")];
  return Object.values(value).flatMap(textsOf);
}

/** What a client passes over: before version 7, a tagged error code. */
const isUnread = (api, version, ours, text) =>
  api.name === "CreateTopics" && version < 7 && ours.topics.some((one) => String(one.topicConfigErrorCode) === text);

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const spelled = (_, value) => (value instanceof Uint8Array ? { base64: base64(value) } : value);
const batchText = textsOf(batchOf())[0];
const goldenRequests = [];
const goldenResponses = [];
const problems = [];

for (const api of apis) {
  for (const client of clients) {
    const frames = new Map();
    const answers = new Map();
    const values = [];
    let response;
    for (let version = api.versions[0]; version <= api.versions[1]; version++) {
      const request = sampleOf(api.request);
      if (api.name === "Produce") request.acks = -1;
      client.says[api.name]?.(request, version);
      setRecords(api, version, request);
      try {
        const frame = await client.request(api, version, atVersion(api.request, request, version));
        if (frame === null) continue;
        const text = JSON.stringify(request, spelled);
        if (values.at(-1)?.text !== text) values.push({ text, frames: new Map() });
        values.at(-1).frames.set(version, base64(frame));
        frames.set(version, base64(frame));
      } catch (error) {
        problems.push(
          `${client.name} cannot write ${api.name} ${version}: ${error.stack.split("\n").slice(0, 3).join(" ")}`,
        );
        continue;
      }
      response = sampleOf(api.response);
      // With an error both clients expect an answer of version 0.
      if (api.name === "ApiVersions") response.errorCode = 0;
      for (const topic of api.name === "Fetch" ? response.responses : [])
        for (const partition of topic.partitions) partition.records = Uint8Array.from(batchOf());
      const ours = atVersion(api.response, response, version);
      const bytes = Buffer.concat(writeResponse(api, version, correlationId, ours));
      try {
        const read = textsOf(await client.read(api, version, bytes, request));
        const said = leavesOf(api.response, ours, version).filter((text) => text !== batchText);
        if (api.name === "Fetch") said.push(...ours.responses.map(() => textsOf(records[0].value)[0]));
        for (const text of said) {
          const at = read.indexOf(text);
          if (at < 0 && !isUnread(api, version, ours, text))
            problems.push(`${client.name} did not read ${text} in ${api.name} ${version}`);
          if (at >= 0) read.splice(at, 1);
        }
        answers.set(version, base64(bytes));
      } catch (error) {
        problems.push(
          `${client.name} cannot read ${api.name} ${version}: ${error.stack.split("\n").slice(0, 3).join(" ")}`,
        );
      }
    }
    for (const { text, frames: some } of values)
      goldenRequests.push({ client: client.name, key: api.key, value: text, frames: some });
    if (answers.size > 0)
      goldenResponses.push({
        client: client.name,
        key: api.key,
        value: JSON.stringify(response, spelled),
        frames: answers,
      });
  }
}
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}

// What members of a group tell each other, which only kafkajs exports.
const { MemberMetadata, MemberAssignment } = kafkajsPackage.AssignerProtocol;
const userData = Uint8Array.from(Buffer.from("user data"));
const goldenMessages = [
  {
    name: "ConsumerProtocolSubscription",
    bytes: MemberMetadata.encode({ version: 0, topics: ["one", "two"], userData: Buffer.from(userData) }),
    value: { topics: ["one", "two"], userData },
  },
  {
    name: "ConsumerProtocolAssignment",
    bytes: MemberAssignment.encode({
      version: 0,
      assignment: { one: [0, 2], two: [1] },
      userData: Buffer.from(userData),
    }),
    value: {
      assignedPartitions: [
        { topic: "one", partitions: [0, 2] },
        { topic: "two", partitions: [1] },
      ],
      userData,
    },
  },
];
const line = ({ client, key, value, frames }) =>
  `  { client: ${JSON.stringify(client)}, key: ${key}, value: ${value},\n    frames: ${JSON.stringify(Object.fromEntries(frames))} },`;
writeFileSync(
  new URL("../../server/kafka/golden.test.generated.ts", import.meta.url),
  `// Generated by .ci/golden/kafka-wire.mjs with kafkajs and @platformatic/kafka; do not edit.

export interface Golden {
  readonly client: string;
  /** Of the API. */
  readonly key: number;
  /** With every field of every version; byte strings are { base64 }. */
  readonly value: unknown;
  /** By version: the frame with its length and its header, correlation id 77, client id "golden"; base64. */
  readonly frames: Readonly<Record<string, string>>;
}

/** As the clients write them. */
export const goldenRequests: readonly Golden[] = [
${goldenRequests.map(line).join("\n")}
];

/** With their version, 0, before them; of kafkajs. */
export const goldenMessages: readonly { readonly name: string; readonly value: unknown; readonly bytes: string }[] = [
${goldenMessages.map(({ bytes, ...rest }) => `  ${JSON.stringify({ ...rest, bytes: base64(bytes) }, spelled)},`).join("\n")}
];

/** As we write them, and as the clients have read them. */
export const goldenResponses: readonly Golden[] = [
${goldenResponses.map(line).join("\n")}
];
`,
);
const count = (list) => list.reduce((sum, { frames }) => sum + frames.size, 0);
console.log(`${count(goldenRequests)} requests, ${count(goldenResponses)} answers`);
