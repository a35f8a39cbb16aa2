// DeleteGroups 0 to 2: removes groups without members, with their offsets, durably when it is answered.
//
// Departs from Kafka: a group that is named twice is answered once.

import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { deleteGroups } from "../schema/delete-groups.ts";
import { coordinating, groupErrorCode } from "./coordinating.ts";
import { checkNamed } from "./outcome.ts";

export function deleteGroupsHandler({ broker }: KafkaFace): Handler<typeof deleteGroups> {
  return coordinating(deleteGroups, async ({ groupsNames }) => {
    checkNamed(groupsNames.length, "groups");
    const deleted = await broker.groups.deleteGroups([...new Set(groupsNames)]);
    return { results: deleted.map(({ groupId, error }) => ({ groupId, errorCode: groupErrorCode(error) })) };
  });
}
