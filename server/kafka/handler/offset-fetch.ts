// OffsetFetch 1 to 9: how far a group has read; null topics are all that it has committed; from version 8 on many
// groups at once, each with its own error.
//
// Departs from Kafka: offsets are shown when they are durable, and none is unstable, since there are no transactions:
// requireStable (version 7) changes nothing. An answer has a bound: a group whose offsets go beyond it gets
// MESSAGE_TOO_LARGE, and one that is named twice INVALID_REQUEST.

import { MoldauError, type OffsetFetchRequest, type OffsetFetchResult } from "../../../engine/index.ts";
import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import type { ResponseOf } from "../schema/notation.ts";
import { offsetFetch } from "../schema/offset-fetch.ts";
import { AnswerRoom, coordinating, maxAnswerBytes, textBytes } from "./coordinating.ts";
import { checkPartitions } from "./offset-partitions.ts";
import { answerEach } from "./outcome.ts";

type GroupAnswer = NonNullable<ResponseOf<typeof offsetFetch>["groups"]>[number];

const firstWithGroups = 8;
const partitionBytes = 24;

export function offsetFetchHandler(face: KafkaFace): Handler<typeof offsetFetch> {
  return coordinating(offsetFetch, async ({ groupId, topics, groups }, { version }) => {
    const room = new AnswerRoom();
    const fetched = async (request: OffsetFetchRequest): Promise<GroupAnswer> =>
      answered(await face.broker.groups.fetchOffsets(request), room);
    checkPartitions(named(version < firstWithGroups ? [{ topics }] : groups));
    if (version < firstWithGroups) {
      const answer = await fetched({ groupId, topics });
      return { errorCode: kafkaErrors.NONE.code, topics: answer.topics };
    }
    return {
      groups: await answerEach(face, {
        what: "groups",
        items: groups,
        nameOf: (group) => `group '${group.groupId}'`,
        answer: fetched,
        refused: (group, { errorCode }) => ({ groupId: group.groupId, topics: [], errorCode }),
      }),
    };
  });
}

type Topics = NonNullable<OffsetFetchRequest["topics"]>;

function named(groups: readonly { readonly topics: Topics | null }[]): { readonly partitions: readonly number[] }[] {
  return groups.flatMap(({ topics }) => (topics ?? []).map((topic) => ({ partitions: topic.partitionIndexes })));
}

function answered({ groupId, topics }: OffsetFetchResult, room: AnswerRoom): GroupAnswer {
  let sizeBytes = textBytes(groupId);
  for (const { name, partitions } of topics) {
    sizeBytes += textBytes(name);
    for (const { metadata } of partitions) sizeBytes += partitionBytes + textBytes(metadata);
  }
  if (!room.take(sizeBytes)) {
    throw new MoldauError("MESSAGE_TOO_LARGE", `an answer has at most ${maxAnswerBytes} bytes: ask for fewer topics`);
  }
  const errorCode = kafkaErrors.NONE.code;
  return {
    groupId,
    errorCode,
    topics: topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((one) => ({ ...one, errorCode })),
    })),
  };
}
