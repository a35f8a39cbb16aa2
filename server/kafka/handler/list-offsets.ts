// ListOffsets 1 to 7: the first offset, the next one, and the first of a time.
//
// Owns: what its sentinels mean. Never: searches a log.
//
// Departs from Kafka: -4, the earliest that is not in tiered storage, is answered in every version;
// -3, the record of the greatest timestamp, looks below the high watermark only.

import { type Broker, MoldauError } from "../../../engine/index.ts";
import { kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { leaderEpochError } from "../leader-epoch.ts";
import { listOffsets } from "../schema/list-offsets.ts";
import type { RequestOf, ResponseOf } from "../schema/notation.ts";

type Asked = RequestOf<typeof listOffsets>["topics"][number]["partitions"][number];
type Answer = ResponseOf<typeof listOffsets>["topics"][number]["partitions"][number];

const latestTimestamp = -1;
const earliestTimestamp = -2;
const maxTimestamp = -3;
const earliestLocalTimestamp = -4;

export function listOffsetsHandler({ broker }: KafkaFace): Handler<typeof listOffsets> {
  return {
    api: listOffsets,
    async handle(request) {
      const seen = new Set<string>();
      const topics: { name: string; partitions: Answer[] }[] = [];
      // One after the other: a look-up by time reads a batch, and decompresses it.
      for (const { name, partitions } of request.topics) {
        const answers: Answer[] = [];
        for (const one of partitions) {
          const key = `${name} ${one.partitionIndex}`;
          answers.push(
            seen.has(key) ? failed(one, kafkaErrors.INVALID_REQUEST.code) : await answerTo(broker, name, one),
          );
          seen.add(key);
        }
        topics.push({ name, partitions: answers });
      }
      return { topics };
    },
  };
}

async function answerTo(broker: Broker, topic: string, asked: Asked): Promise<Answer> {
  const { partitionIndex, currentLeaderEpoch } = asked;
  try {
    const errorCode = leaderEpochError(broker, topic, partitionIndex, currentLeaderEpoch);
    if (errorCode !== kafkaErrors.NONE.code) return failed(asked, errorCode);
    const { offset, timestamp } = await find(broker, topic, partitionIndex, asked.timestamp);
    if (offset === null) return { partitionIndex, errorCode };
    const leaderEpoch = broker.leaderEpochAt(topic, partitionIndex, offset);
    return { partitionIndex, errorCode, offset, leaderEpoch, ...(timestamp === null ? {} : { timestamp }) };
  } catch (error) {
    return failed(asked, kafkaErrorCode(error));
  }
}

async function find(
  broker: Broker,
  topic: string,
  partition: number,
  timestamp: number,
): Promise<{ readonly offset: number | null; readonly timestamp: number | null }> {
  switch (timestamp) {
    case latestTimestamp:
      return { offset: broker.offsets(topic, partition).latest, timestamp: null };
    case earliestTimestamp:
    case earliestLocalTimestamp:
      return { offset: broker.offsets(topic, partition).earliest, timestamp: null };
    case maxTimestamp:
      return broker.offsetOfMaxTimestamp(topic, partition);
    default:
      if (timestamp < 0) throw new MoldauError("INVALID_REQUEST", `${timestamp} means no offset`);
      return broker.offsetForTimestamp(topic, partition, timestamp);
  }
}

function failed({ partitionIndex }: Asked, errorCode: number): Answer {
  return { partitionIndex, errorCode };
}
