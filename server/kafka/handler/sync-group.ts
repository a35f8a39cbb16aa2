// SyncGroup 0 to 5: the leader hands in assignments, and every member is handed its own when they are durable.
//
// Departs from Kafka: a request has a bound of assignments, above that of members.

import { MoldauError } from "../../../engine/index.ts";
import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { syncGroup } from "../schema/sync-group.ts";
import { coordinating, whileConnected } from "./coordinating.ts";
import { checkNamed } from "./outcome.ts";

/** From here on a member says which protocol it takes the group's to be (KIP-559). */
const firstWithProtocol = 5;

export function syncGroupHandler({ broker }: KafkaFace): Handler<typeof syncGroup> {
  return coordinating(syncGroup, async (request, context) => {
    const { assignments, protocolType, protocolName } = request;
    // The request is in memory for as long as it waits.
    checkNamed(assignments.length, "assignments");
    if (context.version >= firstWithProtocol && (protocolType === null || protocolName === null)) {
      throw new MoldauError("INCONSISTENT_GROUP_PROTOCOL", "a sync says its protocol's type and name");
    }
    const synced = await whileConnected(broker.groups.syncGroup(request), context);
    return { errorCode: kafkaErrors.NONE.code, ...synced };
  });
}
