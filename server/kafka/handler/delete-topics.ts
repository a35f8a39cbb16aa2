// DeleteTopics 1-6, from version 6 on by name or by id.
//
// Departs from Kafka: a deletion is durable before it is answered, however long that takes
// (timeoutMs is not looked at), and can't be forbidden (delete.topic.enable).

import { MoldauError, type TopicSummary } from "../../../engine/index.ts";
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
      const find = finder(face.broker.listTopics());
      const namesByName = new Set(asked.map(({ name }) => name));
      const idsById = new Set(asked.map(({ topicId }) => topicId));
      return {
        responses: await answerEach(face, {
          what: "topics",
          items: asked,
          nameOf: ({ name, topicId }) => (name === null ? `topic ${topicId}` : `topic '${name}'`),
          async answer(topic) {
            checkNaming(topic);
            const found = find(topic);
            if (found !== undefined && (topic.name === null ? namesByName.has(found.name) : idsById.has(found.id))) {
              const { name } = found;
              throw new Refusal("INVALID_REQUEST", `topic '${name}' is in the request by its name and by its id`);
            }
            if (topic.name === null) return { ...(await deleteById(topic.topicId, found, face)), ...done };
            await face.broker.deleteTopic(topic.name);
            return { name: topic.name, topicId: found?.id ?? noTopicId, ...done };
          },
          refused: ({ name, topicId }, outcome) => ({ name, topicId, ...outcome }),
        }),
      };
    },
  };
}

function finder(topics: readonly TopicSummary[]): (asked: Asked) => TopicSummary | undefined {
  const byName = new Map(topics.map((topic) => [topic.name, topic]));
  const byId = new Map(topics.map((topic) => [topic.id, topic]));
  return ({ name, topicId }) => (name === null ? byId.get(topicId) : byName.get(name));
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

async function deleteById(topicId: string, found: TopicSummary | undefined, { broker }: KafkaFace): Promise<Asked> {
  const unknown = new Refusal("UNKNOWN_TOPIC_ID", `no topic has the id ${topicId}`);
  if (found === undefined) throw unknown;
  try {
    await broker.deleteTopic(found.name, { id: topicId });
  } catch (error) {
    // Another request deleted it first, and its name may be another topic's by now.
    throw error instanceof MoldauError && error.code === "UNKNOWN_TOPIC_OR_PARTITION" ? unknown : error;
  }
  return { name: found.name, topicId };
}
