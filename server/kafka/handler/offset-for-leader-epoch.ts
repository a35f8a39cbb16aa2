// OffsetForLeaderEpoch 2 to 4: where a leader epoch ended, so that a client finds out whether what
// it read is still there (KIP-320).
//
// Owns: that answer. Never: changes an epoch.
//
// Departs from Kafka: a follower's question is answered like a client's.

import type { Broker } from "../../../engine/index.ts";
import { kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { leaderEpochError } from "../leader-epoch.ts";
import type { RequestOf, ResponseOf } from "../schema/notation.ts";
import { offsetForLeaderEpoch } from "../schema/offset-for-leader-epoch.ts";

type Asked = RequestOf<typeof offsetForLeaderEpoch>["topics"][number]["partitions"][number];
type Answer = ResponseOf<typeof offsetForLeaderEpoch>["topics"][number]["partitions"][number];

export function offsetForLeaderEpochHandler({ broker }: KafkaFace): Handler<typeof offsetForLeaderEpoch> {
  return {
    api: offsetForLeaderEpoch,
    handle: ({ topics }) => ({
      topics: topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map((asked) => answerTo(broker, topic, asked)),
      })),
    }),
  };
}

function answerTo(broker: Broker, topic: string, { partition, currentLeaderEpoch, leaderEpoch }: Asked): Answer {
  try {
    const errorCode = leaderEpochError(broker, topic, partition, currentLeaderEpoch);
    if (errorCode !== kafkaErrors.NONE.code) return { partition, errorCode };
    const { epoch, endOffset } = broker.leaderEpochEnd(topic, partition, leaderEpoch);
    return { partition, errorCode, leaderEpoch: epoch, endOffset };
  } catch (error) {
    return { partition, errorCode: kafkaErrorCode(error) };
  }
}
