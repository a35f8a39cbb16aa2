// OffsetCommit 2 to 9: how far a group has read, durable when it is answered.
//
// Departs from Kafka: a group's id is not empty. A member of a KIP-848 group may commit in versions
// before 9, in its present epoch; a stale one is UNSUPPORTED_VERSION there, as it always is in Kafka.
// Kafka keeps an offset of -2 or -1, which kafkajs commits to reset a group; here it becomes the
// earliest or the latest offset of now, and any other below 0 is refused.

import { type Broker, MoldauError } from "../../../engine/index.ts";
import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import type { RequestOf } from "../schema/notation.ts";
import { offsetCommit } from "../schema/offset-commit.ts";
import { coordinating, groupErrorCode } from "./coordinating.ts";
import { checkPartitions } from "./offset-partitions.ts";

/** STALE_MEMBER_EPOCH is unknown to whoever speaks an earlier one. */
const firstWithMemberEpoch = 9;

type Topic = RequestOf<typeof offsetCommit>["topics"][number];
type Partition = Topic["partitions"][number];

const latestOffset = -1;
const earliestOffset = -2;

export function offsetCommitHandler({ broker }: KafkaFace): Handler<typeof offsetCommit> {
  return coordinating(offsetCommit, async (request, { version }) => {
    checkPartitions(request.topics);
    try {
      const topics = await broker.groups.commitOffsets({ ...request, topics: request.topics.map(resolver(broker)) });
      return {
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex, error }) => ({
            partitionIndex,
            errorCode: groupErrorCode(error),
          })),
        })),
      };
    } catch (error) {
      const isStale = error instanceof MoldauError && error.code === "STALE_MEMBER_EPOCH";
      if (!isStale || version >= firstWithMemberEpoch) throw error;
      const errorCode = kafkaErrors.UNSUPPORTED_VERSION.code;
      return {
        topics: request.topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
        })),
      };
    }
  });
}

function resolver(broker: Broker): (topic: Topic) => Topic {
  return ({ name, partitions }) => ({ name, partitions: partitions.map((one) => resolved(broker, name, one)) });
}

function resolved(broker: Broker, topic: string, partition: Partition): Partition {
  const { partitionIndex, committedOffset } = partition;
  if (committedOffset !== latestOffset && committedOffset !== earliestOffset) return partition;
  try {
    const { earliest, latest } = broker.offsets(topic, partitionIndex);
    return { ...partition, committedOffset: committedOffset === latestOffset ? latest : earliest };
  } catch {
    // The coordinator refuses it, with the reason of its own.
    return partition;
  }
}
