// ConsumerGroupHeartbeat 0 to 1: membership of a KIP-848 group in one call.
//
// Departs from Kafka: a heartbeat is answered when what it changed is durable.

import { MoldauError } from "../../../engine/index.ts";
import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { consumerGroupHeartbeat } from "../schema/consumer-group-heartbeat.ts";
import { coordinating, groupClient, whileConnected } from "./coordinating.ts";
import { outcomeOf } from "./outcome.ts";

/** From here on a client makes its member id by itself (KIP-1082). */
const firstWithOwnMemberId = 1;

export function consumerGroupHeartbeatHandler(face: KafkaFace): Handler<typeof consumerGroupHeartbeat> {
  return coordinating(consumerGroupHeartbeat, async (request, context) => {
    try {
      if (context.version >= firstWithOwnMemberId && request.memberId === "") {
        throw new MoldauError("INVALID_REQUEST", "the member id is empty");
      }
      const beating = face.broker.groups.consumerGroupHeartbeat({ ...request, ...groupClient(context) });
      const { assignment, ...result } = await whileConnected(beating, context);
      return {
        errorCode: kafkaErrors.NONE.code,
        ...result,
        assignment: assignment === null ? null : { topicPartitions: assignment },
      };
    } catch (error) {
      // A stop, or what nobody foresaw, is explained as with every other API of groups.
      if (!(error instanceof MoldauError) || error.code === "BROKER_CLOSED") throw error;
      return { ...outcomeOf(error, face), memberEpoch: 0, heartbeatIntervalMs: 0 };
    }
  });
}
