// ListGroups 0 to 5: all groups, or those of some states (version 4) or types (version 5).
//
// Departs from Kafka: a state or a type that does not exist is no error, and no group is of it. An answer has a bound:
// MESSAGE_TOO_LARGE instead of more.

import { MoldauError } from "../../../engine/index.ts";
import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { listGroups } from "../schema/list-groups.ts";
import { AnswerRoom, coordinating, maxAnswerBytes, textBytes } from "./coordinating.ts";
import { checkNamed } from "./outcome.ts";

const stateAndTypeBytes = 32;

export function listGroupsHandler({ broker }: KafkaFace): Handler<typeof listGroups> {
  return coordinating(listGroups, async ({ statesFilter, typesFilter }) => {
    checkNamed(statesFilter.length + typesFilter.length, "filters");
    const groups = await broker.groups.listGroups({ statesFilter, typesFilter });
    const room = new AnswerRoom();
    for (const { groupId, protocolType } of groups) {
      if (room.take(textBytes(groupId) + textBytes(protocolType) + stateAndTypeBytes)) continue;
      throw new MoldauError("MESSAGE_TOO_LARGE", `an answer has at most ${maxAnswerBytes} bytes: filter the groups`);
    }
    return { errorCode: kafkaErrors.NONE.code, groups };
  });
}
