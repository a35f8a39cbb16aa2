// DeleteRecords 0-2: moves log start offsets up to an offset, or to the high watermark (-1).
//
// Departs from Kafka: an offset is durable before it is answered, however long that takes
// (timeoutMs is not looked at).

import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { deleteRecords } from "../schema/delete-records.ts";
import { topicAsItIs } from "./configs.ts";
import { checkNamed, done, outcomeOf, Refusal } from "./outcome.ts";

const noOffset = -1;

export function deleteRecordsHandler(face: KafkaFace): Handler<typeof deleteRecords> {
  return {
    api: deleteRecords,
    async handle({ topics }) {
      const count = topics.reduce((sum, { partitions }) => sum + partitions.length, topics.length);
      checkNamed(count, "topics and partitions");
      const answers = topics.map(async ({ name, partitions }) => ({
        name,
        partitions: await Promise.all(
          partitions.map(async ({ partitionIndex, offset }) => {
            try {
              checkPolicy(name, face);
              const lowWatermark = await face.broker.deleteRecords(name, partitionIndex, offset);
              return { partitionIndex, lowWatermark, errorCode: done.errorCode };
            } catch (error) {
              const { errorCode } = outcomeOf(error, face);
              return { partitionIndex, lowWatermark: noOffset, errorCode };
            }
          }),
        ),
      }));
      return { topics: await Promise.all(answers) };
    },
  };
}

/** What compaction keeps is kept. */
function checkPolicy(topic: string, { broker }: KafkaFace): void {
  const { configs } = topicAsItIs(broker, topic);
  const { value } = configs["cleanup.policy"]!;
  if (value.split(",").includes("delete")) return;
  throw new Refusal("POLICY_VIOLATION", `topic '${topic}' has cleanup.policy ${value}: its records are not deleted`);
}
