// ConsumerGroupDescribe 0: KIP-848 groups with their members.
//
// Departs from Kafka: a group that is named twice is answered once; an answer has a bound, and a group that goes beyond
// it gets MESSAGE_TOO_LARGE. Without authorization, whoever asks may do all.

import { type DescribedConsumerGroup, MoldauError, type NamedTopicPartitions } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { consumerGroupDescribe } from "../schema/consumer-group-describe.ts";
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
import { checkNamed, done } from "./outcome.ts";

type Answer = ResponseOf<typeof consumerGroupDescribe>["groups"][number];

export function consumerGroupDescribeHandler({ broker }: KafkaFace): Handler<typeof consumerGroupDescribe> {
  return coordinating(consumerGroupDescribe, async ({ groupIds, includeAuthorizedOperations }) => {
    checkNamed(groupIds.length, "groups");
    const room = new AnswerRoom();
    const authorizedOperations = includeAuthorizedOperations ? groupOperations : operationsNotAsked;
    const groups: Answer[] = [];
    // One after the other: a description that has no room is garbage before the next is made.
    for (const groupId of new Set(groupIds)) {
      const [described] = await broker.groups.describeConsumerGroups([groupId]);
      groups.push({ ...answered(described!, room), authorizedOperations });
    }
    return { groups };
  });
}

function answered(described: DescribedConsumerGroup, room: AnswerRoom): Answer {
  const { error, ...group } = described;
  const refused =
    error ??
    (room.take(sizeOf(described))
      ? undefined
      : new MoldauError("MESSAGE_TOO_LARGE", `an answer has at most ${maxAnswerBytes} bytes: ask for fewer groups`));
  if (refused !== undefined) {
    return { ...group, members: [], errorCode: groupErrorCode(refused), errorMessage: refused.message };
  }
  return {
    ...group,
    ...done,
    members: group.members.map(({ assignment, targetAssignment, ...member }) => ({
      ...member,
      assignment: { topicPartitions: assignment },
      targetAssignment: { topicPartitions: targetAssignment },
    })),
  };
}

const numbersBytes = 32;

function sizeOf({ groupId, members }: DescribedConsumerGroup): number {
  let sizeBytes = textBytes(groupId) + numbersBytes;
  for (const member of members) {
    const { memberId, instanceId, rackId, clientId, clientHost, subscribedTopicRegex, subscribedTopicNames } = member;
    const texts = [memberId, instanceId, rackId, clientId, clientHost, subscribedTopicRegex, ...subscribedTopicNames];
    for (const text of texts) sizeBytes += textBytes(text);
    sizeBytes += numbersBytes + partitionsBytes(member.assignment) + partitionsBytes(member.targetAssignment);
  }
  return sizeBytes;
}

function partitionsBytes(topics: readonly NamedTopicPartitions[]): number {
  return topics.reduce((sum, { topicName, partitions }) => sum + textBytes(topicName) + 21 + 4 * partitions.length, 0);
}
