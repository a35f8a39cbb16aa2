// What the two descriptions of groups share: each group once, one after the other, within the room of one answer.
//
// Owns: no API. Never: knows a group.

import { MoldauError } from "../../../engine/index.ts";
import { AnswerRoom, maxAnswerBytes } from "./coordinating.ts";
import { checkNamed } from "./outcome.ts";

/** Of a group whose consumers may all be read and deleted: bits of Kafka's AclOperation, read, delete and describe. */
const groupOperations = (1 << 3) | (1 << 6) | (1 << 8);
const operationsNotAsked = -(2 ** 31);

export async function describeEach<Answer>(
  groupIds: readonly string[],
  includeAuthorizedOperations: boolean,
  describe: (groupId: string, room: AnswerRoom) => Promise<Answer>,
): Promise<(Answer & { readonly authorizedOperations: number })[]> {
  checkNamed(groupIds.length, "groups");
  const room = new AnswerRoom();
  const authorizedOperations = includeAuthorizedOperations ? groupOperations : operationsNotAsked;
  const answers: (Answer & { readonly authorizedOperations: number })[] = [];
  // One after the other: a description that has no room is garbage before the next is made.
  for (const groupId of new Set(groupIds)) answers.push({ ...(await describe(groupId, room)), authorizedOperations });
  return answers;
}

/** Of a group for whose description the answer has no room. */
export function answerTooLarge(): MoldauError {
  return new MoldauError("MESSAGE_TOO_LARGE", `an answer has at most ${maxAnswerBytes} bytes: ask for fewer groups`);
}
