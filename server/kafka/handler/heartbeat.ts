// Heartbeat 0 to 4: a member of a classic group lives.
//
// Departs from Kafka in nothing.

import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { heartbeat } from "../schema/heartbeat.ts";
import { coordinating } from "./coordinating.ts";

export function heartbeatHandler({ broker }: KafkaFace): Handler<typeof heartbeat> {
  return coordinating(heartbeat, async (request) => {
    await broker.groups.heartbeat(request);
    return { errorCode: kafkaErrors.NONE.code };
  });
}
