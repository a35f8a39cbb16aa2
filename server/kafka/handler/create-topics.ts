// CreateTopics 2-7.
//
// Departs from Kafka: a topic is durable before it is answered, however long that takes (timeoutMs
// is not looked at); there is one broker, so that a replication factor is 1 and assignments by
// hand mean it; names that differ in "." and "_" alone do not collide; a config that is given
// twice is refused; what is validated only has no topic id, where Kafka gives one that is nobody's.

import type { CreateTopicOptions, TopicConfigValue } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { createTopics } from "../schema/create-topics.ts";
import type { RequestOf, ResponseOf } from "../schema/notation.ts";
import { configSource, configsByName } from "./configs.ts";
import { answerEach, done, Refusal } from "./outcome.ts";
import { byDefault, checkReplicas, checkReplicationFactor, isTooMany, refusePartitionsAtOnce } from "./replicas.ts";

type Asked = RequestOf<typeof createTopics>["topics"][number];
type Answer = ResponseOf<typeof createTopics>["topics"][number];

const noTopicId = "0".repeat(32);

export function createTopicsHandler(face: KafkaFace): Handler<typeof createTopics> {
  return {
    api: createTopics,
    async handle({ topics, validateOnly }) {
      const counts = topics.map((topic) => partitionsOf(topic, face)).filter((count) => !isTooMany(count));
      const tooMany = refusePartitionsAtOnce(counts);
      return {
        topics: await answerEach(face, {
          what: "topics",
          items: topics,
          nameOf: ({ name }) => `topic '${name}'`,
          answer(topic) {
            if (tooMany !== null) throw tooMany;
            return validateOnly ? plan(topic, face) : create(topic, face);
          },
          refused: ({ name }, outcome) => ({ name, topicId: noTopicId, ...outcome, configs: [] }),
        }),
      };
    },
  };
}

function plan(asked: Asked, face: KafkaFace): Answer {
  const { name, partitions, configs } = face.broker.planTopic(asked.name, optionsOf(asked, face));
  return answerOf(name, noTopicId, partitions, configs);
}

async function create(asked: Asked, face: KafkaFace): Promise<Answer> {
  const { existing, ...topic } = await face.broker.createTopic(asked.name, optionsOf(asked, face));
  if (existing) throw new Refusal("TOPIC_ALREADY_EXISTS", `topic '${asked.name}' exists already`);
  return answerOf(topic.name, topic.id, topic.partitions.length, topic.configs);
}

function answerOf(
  name: string,
  topicId: string,
  numPartitions: number,
  configs: Readonly<Record<string, TopicConfigValue>>,
): Answer {
  return {
    name,
    topicId,
    ...done,
    numPartitions,
    replicationFactor: 1,
    configs: Object.entries(configs).map(([config, { value, source }]) => ({
      name: config,
      value,
      readOnly: false,
      configSource: configSource[source],
      isSensitive: false,
    })),
  };
}

/** Throws what Kafka alone would refuse; the rest is for the engine to judge. */
function optionsOf(asked: Asked, face: KafkaFace): CreateTopicOptions {
  const { assignments, numPartitions, replicationFactor } = asked;
  if (assignments.length === 0) checkReplicationFactor(replicationFactor);
  else {
    if (numPartitions !== byDefault || replicationFactor !== byDefault) {
      throw new Refusal(
        "INVALID_REQUEST",
        "the assignments say how many partitions and replicas there are: the numbers of both have to be -1",
      );
    }
    checkAssignments(assignments, face.node.id);
  }
  return { partitions: partitionsOf(asked, face), configs: configsByName(asked.configs) };
}

function partitionsOf({ assignments, numPartitions }: Asked, face: KafkaFace): number {
  if (assignments.length > 0) return assignments.length;
  return numPartitions === byDefault ? face.numPartitions : numPartitions;
}

function checkAssignments(assignments: Asked["assignments"], nodeId: number): void {
  const seen: Set<number> = new Set();
  for (const { partitionIndex, brokerIds } of assignments) {
    checkReplicas(partitionIndex, brokerIds, nodeId);
    if (partitionIndex < 0 || partitionIndex >= assignments.length || seen.has(partitionIndex)) {
      throw new Refusal(
        "INVALID_REPLICA_ASSIGNMENT",
        `partition ${partitionIndex} is ${seen.has(partitionIndex) ? "assigned twice" : `not among 0 to ${assignments.length - 1}, which ${assignments.length} assignments are for`}`,
      );
    }
    seen.add(partitionIndex);
  }
}
