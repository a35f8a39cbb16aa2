// Metadata 0 to 12: the broker, the topics, and who leads their partitions.
//
// Owns: that answer, and the creation of topics that are asked for (auto.create.topics.enable).
// Never: names topics' configs, or creates one for a client that forbids it.
//
// Departs from Kafka: a topic that is created is in the very answer, and not only in the next one; one request creates a
// bounded number, and the rest is unknown until it is asked for again; one broker leads everything and is the controller;
// without authorization, whoever asks may do all.

import { type Broker, MoldauError, type TopicDescription, toMoldauError } from "../../../engine/index.ts";
import { kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { metadata } from "../schema/metadata.ts";
import type { RequestOf, ResponseOf } from "../schema/notation.ts";

type TopicAnswer = ResponseOf<typeof metadata>["topics"][number];
interface Answered {
  readonly answer: TopicAnswer;
  readonly isMade: boolean;
}

type Asked = NonNullable<RequestOf<typeof metadata>["topics"]>[number];

const noId = "0".repeat(32);
/** Bits of Kafka's AclOperation: read, write, create, delete, alter, describe, describe and alter configs. */
const topicOperations = 0b1101_1111_1000;
/** Create, alter, describe, cluster action, describe and alter configs, idempotent write. */
const clusterOperations = 0b1_1111_1010_0000;
const notAsked = -(2 ** 31);
/** Others go first after so many: a request may name two hundred thousand. */
export const topicsPerTurn: number = 500;
/** One mistaken client would fill a disk with folders. Partitions of the topics that one request creates. */
export const mostMadeByAsking: number = 1000;
/** Kafka's own. */
const internalTopics: ReadonlySet<string> = new Set(["__consumer_offsets", "__transaction_state"]);

export function metadataHandler(face: KafkaFace): Handler<typeof metadata> {
  const { broker } = face;
  return {
    api: metadata,
    async handle(request, { version, client, signal }) {
      const { topics } = request;
      const isAll = topics === null || (version === 0 && topics.length === 0);
      const mayCreate = face.autoCreateTopics && request.allowAutoTopicCreation && !isAll;
      const operations = request.includeTopicAuthorizedOperations ? topicOperations : notAsked;
      const answers: TopicAnswer[] = [];
      if (isAll) for (const { name } of broker.listTopics()) answers.push(found(broker.describeTopic(name)));
      else {
        if (version < 12) refuseIds(topics);
        let made = 0;
        for (const [at, one] of [...unique(topics)].entries()) {
          if (at > 0 && at % topicsPerTurn === 0) await turn(face);
          const isRoom = made + face.numPartitions <= mostMadeByAsking || made === 0;
          const { answer, isMade } = await answerTo(one, mayCreate && isRoom && !signal.aborted);
          if (isMade) made += face.numPartitions;
          answers.push(answer);
        }
      }
      const { id, host, port } = face.nodeFor(client);
      return {
        brokers: [{ nodeId: id, host, port }],
        clusterId: face.clusterId,
        controllerId: id,
        topics: answers.map((answer) => ({ ...answer, topicAuthorizedOperations: operations })),
        clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? clusterOperations : notAsked,
      };
    },
  };

  async function answerTo({ name, topicId }: Asked, mayCreate: boolean): Promise<Answered> {
    if (name === null) {
      const named = broker.topicName(topicId);
      const unknown = { errorCode: kafkaErrors.UNKNOWN_TOPIC_ID.code, name: null, topicId, partitions: [] };
      return { answer: named === null ? unknown : found(broker.describeTopic(named)), isMade: false };
    }
    try {
      const { topic, isMade } = await describe(broker, name, mayCreate ? face.numPartitions : null);
      return { answer: found(topic), isMade };
    } catch (error) {
      return { answer: { errorCode: kafkaErrorCode(error), name, topicId: noId, partitions: [] }, isMade: false };
    }
  }

  function found({ name, id, partitions }: TopicDescription): TopicAnswer {
    const { id: nodeId } = face.node;
    return {
      errorCode: kafkaErrors.NONE.code,
      name,
      topicId: id,
      isInternal: internalTopics.has(name),
      partitions: partitions.map(({ partition, state, leaderEpoch }) => ({
        // What is fenced is still read from its leader.
        errorCode: (state === "offline" ? kafkaErrors.LEADER_NOT_AVAILABLE : kafkaErrors.NONE).code,
        partitionIndex: partition,
        leaderId: state === "offline" ? -1 : nodeId,
        leaderEpoch,
        replicaNodes: [nodeId],
        isrNodes: state === "offline" ? [] : [nodeId],
        offlineReplicas: state === "offline" ? [nodeId] : [],
      })),
    };
  }
}

/** `partitions`: of a topic that is to be created when it is not there; null: it is not to be. */
async function describe(
  broker: Broker,
  name: string,
  partitions: number | null,
): Promise<{ readonly topic: TopicDescription; readonly isMade: boolean }> {
  try {
    return { topic: broker.describeTopic(name), isMade: false };
  } catch (error) {
    if (partitions === null || toMoldauError(error).code !== "UNKNOWN_TOPIC_OR_PARTITION") throw error;
  }
  try {
    return { topic: await broker.createTopic(name, { partitions }), isMade: true };
  } catch (error) {
    // Another client was faster, with another number of partitions.
    if (toMoldauError(error).code === "TOPIC_ALREADY_EXISTS") {
      return { topic: broker.describeTopic(name), isMade: false };
    }
    throw error;
  }
}

function unique(topics: readonly Asked[]): Iterable<Asked> {
  return new Map(topics.map((one) => [one.name ?? `id ${one.topicId}`, one])).values();
}

function turn({ clock }: KafkaFace): Promise<void> {
  return new Promise((resolve) => void clock.schedule(0, resolve));
}

function refuseIds(topics: readonly Asked[]): void {
  if (topics.every(({ name, topicId }) => name !== null && topicId === noId)) return;
  throw new MoldauError("INVALID_REQUEST", "a topic can be asked for by its id from version 12 on");
}
