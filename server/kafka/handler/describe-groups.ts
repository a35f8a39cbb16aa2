// DescribeGroups 0 to 5: classic groups with their members. One that is not there is "Dead", without an error.
//
// Departs from Kafka: a group that is named twice is answered once; an answer has a bound, and a group that goes beyond
// it gets MESSAGE_TOO_LARGE. Without authorization, whoever asks may do all.

import type { DescribedGroup } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { describeGroups } from "../schema/describe-groups.ts";
import type { ResponseOf } from "../schema/notation.ts";
import { type AnswerRoom, coordinating, groupErrorCode, textBytes } from "./coordinating.ts";
import { answerTooLarge, describeEach } from "./describe-each.ts";

type Answer = Omit<ResponseOf<typeof describeGroups>["groups"][number], "authorizedOperations">;

export function describeGroupsHandler({ broker }: KafkaFace): Handler<typeof describeGroups> {
  return coordinating(describeGroups, async ({ groups, includeAuthorizedOperations }) => {
    return {
      groups: await describeEach(groups, includeAuthorizedOperations, async (groupId, room) => {
        const [described] = await broker.groups.describeGroups([groupId]);
        return answered(described!, room);
      }),
    };
  });
}

function answered({ error, generationId: _, ...group }: DescribedGroup, room: AnswerRoom): Answer {
  // Only from version 6 on is GROUP_ID_NOT_FOUND said.
  if (error?.code === "GROUP_ID_NOT_FOUND") return { ...group, errorCode: groupErrorCode(undefined) };
  if (error !== undefined) return { ...group, groupState: "", errorCode: groupErrorCode(error) };
  if (room.take(sizeOf(group))) return { ...group, errorCode: groupErrorCode(undefined) };
  return { ...group, members: [], errorCode: groupErrorCode(answerTooLarge()) };
}

function sizeOf({ groupId, members }: Pick<DescribedGroup, "groupId" | "members">): number {
  let sizeBytes = textBytes(groupId);
  for (const { memberId, groupInstanceId, clientId, clientHost, memberMetadata, memberAssignment } of members) {
    for (const text of [memberId, groupInstanceId, clientId, clientHost]) sizeBytes += textBytes(text);
    sizeBytes += memberMetadata.length + memberAssignment.length;
  }
  return sizeBytes;
}
