// DeleteTopics 1-6, from version 6 on by name or by id.
//
// Departs from Kafka: a deletion is durable before it is answered, however long that takes
// (timeoutMs is not looked at), and can't be forbidden (delete.topic.enable).

import { MoldauError } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { deleteTopics } from "../schema/delete-topics.ts";
import { answerEach, checkNamed, done, Refusal } from "./outcome.ts";

interface Asked {
  readonly name: string | null;
  readonly topicId: string;
}

const noTopicId = "0".repeat(32);

export function deleteTopicsHandler(face: KafkaFace): Handler<typeof deleteTopics> {
  return {
    api: deleteTopics,
    async handle({ topics, topicNames }, { version }) {
      const asked: readonly Asked[] = version >= 6 ? topics : topicNames.map((name) => ({ name, topicId: noTopicId }));
      checkNamed(asked.length, "topics");
      // Those that are asked for by their ids need no list.
      const topicsThere = asked.some(({ name }) => name !== null) ? face.broker.listTopics() : [];
      const idOf = new Map(topicsThere.map(({ name, id }) => [name, id]));
      const namesByName = new Set(asked.map(({ name }) => name));
      const idsById = new Set(asked.map(({ topicId }) => topicId));
      return {
        responses: await answerEach(face, {
          what: "topics",
          items: asked,
          nameOf: ({ name, topicId }) => (name === null ? `topic ${topicId}` : `topic '${name}'`),
          async answer(topic) {
            checkNaming(topic);
            const name = topic.name ?? face.broker.topicName(topic.topicId);
            if (name === null) throw unknownId(topic.topicId);
            const topicId = topic.name === null ? topic.topicId : (idOf.get(name) ?? noTopicId);
            if (topic.name === null ? namesByName.has(name) : topicId !== noTopicId && idsById.has(topicId)) {
              throw new Refusal("INVALID_REQUEST", `topic '${name}' is in the request by its name and by its id`);
            }
            if (topic.name === null) await deleteById(name, topicId, face);
            else await face.broker.deleteTopic(name);
            return { name, topicId, ...done };
          },
          refused: ({ name, topicId }, outcome) => ({ name, topicId, ...outcome }),
        }),
      };
    },
  };
}

function checkNaming({ name, topicId }: Asked): void {
  if ((name === null) !== (topicId === noTopicId)) return;
  throw new Refusal(
    "INVALID_REQUEST",
    name === null
      ? "a topic is given neither by its name nor by its id"
      : `topic '${name}' is given by its name and by an id: give one of them`,
  );
}

async function deleteById(name: string, topicId: string, { broker }: KafkaFace): Promise<void> {
  try {
    await broker.deleteTopic(name, { id: topicId });
  } catch (error) {
    // Another request deleted it first, and its name may be another topic's by now.
    throw error instanceof MoldauError && error.code === "UNKNOWN_TOPIC_OR_PARTITION" ? unknownId(topicId) : error;
  }
}

function unknownId(topicId: string): Refusal {
  return new Refusal("UNKNOWN_TOPIC_ID", `no topic has the id ${topicId}`);
}
