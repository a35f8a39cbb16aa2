// ConsumerGroupDescribe 0: KIP-848 groups with their members.
//
// Departs from Kafka: a group that is named twice is answered once; an answer has a bound, and a group that goes beyond
// it gets MESSAGE_TOO_LARGE. Without authorization, whoever asks may do all.

import type { DescribedConsumerGroup, NamedTopicPartitions } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { consumerGroupDescribe } from "../schema/consumer-group-describe.ts";
import type { ResponseOf } from "../schema/notation.ts";
import { type AnswerRoom, coordinating, groupErrorCode, textBytes } from "./coordinating.ts";
import { answerTooLarge, describeEach } from "./describe-each.ts";
import { done } from "./outcome.ts";

type Answer = Omit<ResponseOf<typeof consumerGroupDescribe>["groups"][number], "authorizedOperations">;

export function consumerGroupDescribeHandler({ broker }: KafkaFace): Handler<typeof consumerGroupDescribe> {
  return coordinating(consumerGroupDescribe, async ({ groupIds, includeAuthorizedOperations }) => {
    return {
      groups: await describeEach(groupIds, includeAuthorizedOperations, async (groupId, room) => {
        const [described] = await broker.groups.describeConsumerGroups([groupId]);
        return answered(described!, room);
      }),
    };
  });
}

function answered(described: DescribedConsumerGroup, room: AnswerRoom): Answer {
  const { error, ...group } = described;
  const refused = error ?? (room.take(sizeOf(described)) ? undefined : answerTooLarge());
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
