// LeaveGroup 0 to 5: members leave a classic group; from version 3 on many at once, and static ones by their instance.
//
// Departs from Kafka: the reason that a member gives (version 5) is not kept.

import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { leaveGroup } from "../schema/leave-group.ts";
import { coordinating, groupErrorCode } from "./coordinating.ts";
import { checkNamed } from "./outcome.ts";

const firstWithMembers = 3;

export function leaveGroupHandler({ broker }: KafkaFace): Handler<typeof leaveGroup> {
  return coordinating(leaveGroup, async ({ groupId, memberId, members }, { version }) => {
    checkNamed(members.length, "members");
    const isMany = version >= firstWithMembers;
    const left = await broker.groups.leaveGroup({ groupId, members: isMany ? members : [{ memberId }] });
    if (!isMany) return { errorCode: groupErrorCode(left[0]?.error) };
    return {
      errorCode: kafkaErrors.NONE.code,
      members: left.map(({ error, ...member }) => ({ ...member, errorCode: groupErrorCode(error) })),
    };
  });
}
