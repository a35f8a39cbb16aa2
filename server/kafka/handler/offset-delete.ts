// OffsetDelete 0: forgets committed offsets of a group, durably when it is answered.
//
// Departs from Kafka in nothing.

import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { offsetDelete } from "../schema/offset-delete.ts";
import { coordinating, groupErrorCode } from "./coordinating.ts";
import { checkPartitions } from "./offset-partitions.ts";

export function offsetDeleteHandler({ broker }: KafkaFace): Handler<typeof offsetDelete> {
  return coordinating(offsetDelete, async ({ groupId, topics }) => {
    checkPartitions(topics);
    const outcomes = await broker.groups.deleteOffsets({
      groupId,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => partitionIndex),
      })),
    });
    return {
      errorCode: kafkaErrors.NONE.code,
      topics: outcomes.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, error }) => ({
          partitionIndex,
          errorCode: groupErrorCode(error),
        })),
      })),
    };
  });
}
