// CreatePartitions 0-3.
//
// Departs from Kafka: partitions are durable before they are answered, however long that takes
// (timeoutMs is not looked at); assignments by hand mean the one broker there is; of two requests
// at once for the same number, both succeed.

import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { createPartitions } from "../schema/create-partitions.ts";
import type { RequestOf } from "../schema/notation.ts";
import { topicAsItIs } from "./configs.ts";
import { answerEach, done, Refusal } from "./outcome.ts";
import { checkReplicas, isTooMany, refusePartitionsAtOnce } from "./replicas.ts";

type Asked = RequestOf<typeof createPartitions>["topics"][number];

export function createPartitionsHandler(face: KafkaFace): Handler<typeof createPartitions> {
  return {
    api: createPartitions,
    async handle({ topics, validateOnly }) {
      const tooMany = refusePartitionsAtOnce(addedTo(topics, face));
      return {
        results: await answerEach(face, {
          what: "topics",
          items: topics,
          nameOf: ({ name }) => `topic '${name}'`,
          async answer(topic) {
            if (tooMany !== null) throw tooMany;
            check(topic, face);
            const { name, count } = topic;
            if (validateOnly) face.broker.planAlteration(name, { partitions: count });
            else await face.broker.alterTopic(name, { partitions: count });
            return { name, ...done };
          },
          refused: ({ name }, outcome) => ({ name, ...outcome }),
        }),
      };
    },
  };
}

function addedTo(topics: readonly Asked[], { broker }: KafkaFace): number[] {
  const before = new Map(broker.listTopics().map(({ name, partitions }) => [name, partitions]));
  return topics.map(({ name, count }) => (isTooMany(count) ? 0 : count - (before.get(name) ?? count)));
}

/** Throws what Kafka alone would refuse; the rest is for the engine to judge. */
function check({ name, count, assignments }: Asked, { broker, node }: KafkaFace): void {
  const { partitions } = topicAsItIs(broker, name);
  if (count === partitions) {
    throw new Refusal("INVALID_PARTITIONS", `topic '${name}' has ${count} partitions already`);
  }
  if (assignments === null || count < partitions) return;
  const added = count - partitions;
  if (assignments.length !== added) {
    throw new Refusal(
      "INVALID_REPLICA_ASSIGNMENT",
      `${assignments.length} assignments are given, and ${added} partitions are to be added`,
    );
  }
  for (const [at, { brokerIds }] of assignments.entries()) checkReplicas(partitions + at, brokerIds, node.id);
}
