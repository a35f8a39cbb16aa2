// DescribeGroups 0 to 5: classic groups with their members. One that is not there is "Dead", without an error.
//
// Departs from Kafka: a group that is named twice is answered once; an answer has a bound, and a group that goes beyond
// it gets MESSAGE_TOO_LARGE. Without authorization, whoever asks may do all.

import { type DescribedGroup, MoldauError } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { describeGroups } from "../schema/describe-groups.ts";
import type { ResponseOf } from "../schema/notation.ts";
import {
  AnswerRoom,
  coordinating,
  groupErrorCode,
  groupOperations,
  maxAnswerBytes,
  operationsNotAsked,
  textBytes,
} from "./coordinating.ts";
import { checkNamed } from "./outcome.ts";

type Answer = ResponseOf<typeof describeGroups>["groups"][number];

export function describeGroupsHandler({ broker }: KafkaFace): Handler<typeof describeGroups> {
  return coordinating(describeGroups, async ({ groups, includeAuthorizedOperations }) => {
    checkNamed(groups.length, "groups");
    const room = new AnswerRoom();
    const authorizedOperations = includeAuthorizedOperations ? groupOperations : operationsNotAsked;
    const answers: Answer[] = [];
    // One after the other: a description that has no room is garbage before the next is made.
    for (const groupId of new Set(groups)) {
      const [described] = await broker.groups.describeGroups([groupId]);
      answers.push({ ...answered(described!, room), authorizedOperations });
    }
    return { groups: answers };
  });
}

function answered({ error, generationId: _, ...group }: DescribedGroup, room: AnswerRoom): Answer {
  // Only from version 6 on is GROUP_ID_NOT_FOUND said.
  if (error?.code === "GROUP_ID_NOT_FOUND") return { ...group, errorCode: groupErrorCode(undefined) };
  if (error !== undefined) return { ...group, groupState: "", errorCode: groupErrorCode(error) };
  if (room.take(sizeOf(group))) return { ...group, errorCode: groupErrorCode(undefined) };
  const tooLarge = new MoldauError("MESSAGE_TOO_LARGE", `an answer has at most ${maxAnswerBytes} bytes`);
  return { ...group, members: [], errorCode: groupErrorCode(tooLarge) };
}

function sizeOf({ groupId, members }: Pick<DescribedGroup, "groupId" | "members">): number {
  let sizeBytes = textBytes(groupId);
  for (const { memberId, groupInstanceId, clientId, clientHost, memberMetadata, memberAssignment } of members) {
    for (const text of [memberId, groupInstanceId, clientId, clientHost]) sizeBytes += textBytes(text);
    sizeBytes += memberMetadata.length + memberAssignment.length;
  }
  return sizeBytes;
}
