// /v1/groups/{group}/offsets: what a group has committed, and how far that is from the end.
//
// Owns: who commits: a member by its epoch, a member that this server keeps by its id alone, anyone when
//   the group has no members.
// Never: decides whether that may be; the group does.

import { z } from "@hono/zod-openapi";
import { type Broker, limits, MoldauError } from "../../engine/index.ts";
import { answer, jsonOrCbor } from "./answer.ts";
import { epochParameter, topicsParameter } from "./group-query.ts";
import { commitSchema, committedSchema, type OffsetBody, outcomesSchema } from "./group-schemas.ts";
import { type CommitOutcome, commitAs, type OffsetToCommit } from "./group-session.ts";
import { type Call, type Face, type Operation, operation } from "./operation.ts";
import { integerParameter, parseBy } from "./parameters.ts";
import { errorMember, invalid } from "./problem.ts";
import { jsonAndCbor } from "./schemas.ts";
import { smallBody } from "./small-body.ts";

const tags = ["groups"];
const path = "/v1/groups/{group}/offsets";

const readQuery = z.strictObject({
  topics: topicsParameter("Only these, with commas between the names"),
  memberId: z.string().min(1).max(limits.maxGroupIdLength).optional().openapi({ description: "Who asks" }),
  memberEpoch: epochParameter,
});

const deleteQuery = z.strictObject({
  topic: z.string({ error: "say of which topic" }).min(1).openapi({ example: "events" }),
  partition: integerParameter({ description: "All of the topic's when absent", minimum: 0, maximum: 2_147_483_647 }),
});

export function groupOffsetOperations(face: Face): Operation[] {
  const { broker } = face;
  return [
    operation({
      method: "get",
      path,
      query: readQuery,
      forms: jsonOrCbor,
      tags,
      summary: "Committed offsets, and the lag",
      responses: { 200: { description: "What is committed, durably", content: jsonAndCbor(committedSchema) } },
      async handle({ form, group: groupId, query: { topics, memberId, memberEpoch } }) {
        if ((memberId === undefined) !== (memberEpoch === undefined))
          throw invalid("query: memberId and memberEpoch are given together, or neither");
        if (memberEpoch === undefined) await requireGroup(broker, groupId);
        const who = memberId === undefined || memberEpoch === undefined ? {} : { memberId, memberEpoch };
        return answer(form, 200, { offsets: await committedOffsets(broker, { groupId, ...who }, topics) });
      },
    }),
    operation({
      method: "post",
      path,
      query: z.strictObject({}),
      forms: jsonOrCbor,
      tags,
      summary: "Commit offsets",
      body: { required: true, content: jsonAndCbor(commitSchema) },
      responses: {
        200: { description: "Durable", content: jsonAndCbor(outcomesSchema) },
        207: { description: "Some are not: each says", content: jsonAndCbor(outcomesSchema) },
      },
      handle: async (call) => outcomesAnswer(call, await commit(call, face)),
    }),
    operation({
      method: "delete",
      path,
      query: deleteQuery,
      forms: jsonOrCbor,
      tags,
      summary: "Delete committed offsets of a topic that the group does not consume",
      responses: {
        200: { description: "Gone, durably", content: jsonAndCbor(outcomesSchema) },
        207: { description: "Some are not: each says", content: jsonAndCbor(outcomesSchema) },
      },
      async handle(call) {
        const { topic, partition } = call.query;
        const { group: groupId } = call;
        const partitions =
          partition === undefined
            ? (await committedOffsets(broker, { groupId }, [topic])).map((one) => one.partition)
            : [partition];
        const [deleted] = await broker.groups.deleteOffsets({ groupId, topics: [{ name: topic, partitions }] });
        const outcomes = (deleted?.partitions ?? []).map(({ partitionIndex, error }) => {
          return { topic, partition: partitionIndex, ...(error === undefined ? {} : { error }) };
        });
        return outcomesAnswer(call, outcomes);
      },
    }),
  ];
}

async function commit(call: Call<unknown>, face: Face): Promise<CommitOutcome[]> {
  const body = parseBy(commitSchema, await smallBody(call, face), "body");
  const { memberId, memberEpoch, instanceId } = body;
  const { group: groupId } = call;
  const seen = new Set<string>();
  for (const { topic, partition } of body.offsets) {
    const key = `${partition} ${topic}`;
    if (seen.has(key)) throw invalid(`body: partition ${partition} of topic '${topic}' is there twice`);
    seen.add(key);
  }
  const offsets = body.offsets.map(offsetToCommit);
  if (memberId === undefined) {
    if (memberEpoch !== undefined || instanceId !== undefined) throw invalid("body: memberId is missing");
    return commitAs(face.broker, { groupId }, offsets);
  }
  if (memberEpoch !== undefined) {
    const instance = instanceId === undefined ? {} : { groupInstanceId: instanceId };
    const committer = { groupId, memberId, generationIdOrMemberEpoch: memberEpoch, ...instance };
    return commitAs(face.broker, committer, offsets);
  }
  const kept = face.sessions.find(groupId, memberId);
  if (kept !== undefined) return kept.commit(offsets);
  throw new MoldauError(
    "UNKNOWN_MEMBER_ID",
    `the server keeps no member '${memberId}' in group '${groupId}', or not any more; any other says its memberEpoch`,
  );
}

function offsetToCommit({ topic, partition, offset, leaderEpoch, metadata }: OffsetBody): OffsetToCommit {
  return {
    ...{ topic, partitionIndex: partition, committedOffset: offset },
    ...(leaderEpoch === undefined ? {} : { committedLeaderEpoch: leaderEpoch }),
    ...(metadata === undefined ? {} : { committedMetadata: metadata }),
  };
}

interface Outcome {
  readonly topic: string;
  readonly partition: number;
  readonly offset?: number;
  readonly error?: MoldauError;
}

/** When all failed alike, that is the answer. */
function outcomesAnswer({ form }: Call<unknown>, outcomes: readonly Outcome[]): Response {
  const errors = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const [first] = errors;
  if (first !== undefined && errors.length === outcomes.length && errors.every(({ code }) => code === first.code))
    throw first;
  const offsets = outcomes.map(({ topic, partition, offset, error }) => {
    if (error !== undefined) return { topic, partition, error: errorMember(error) };
    return offset === undefined ? { topic, partition } : { topic, partition, offset };
  });
  return answer(form, first === undefined ? 200 : 207, { offsets });
}

async function requireGroup(broker: Broker, groupId: string): Promise<void> {
  const [consumer] = await broker.groups.describeConsumerGroups([groupId]);
  if (consumer !== undefined && consumer.error === undefined) return;
  const [classic] = await broker.groups.describeGroups([groupId]);
  if (classic?.error !== undefined) throw classic.error;
}

export interface Committed {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly logStartOffset: number | null;
  readonly highWatermark: number | null;
  readonly lag: number | null;
}

export async function committedOffsets(
  broker: Broker,
  who: { readonly groupId: string; readonly memberId?: string; readonly memberEpoch?: number },
  topics?: readonly string[],
): Promise<Committed[]> {
  const fetched = await broker.groups.fetchOffsets(who);
  const wanted = topics === undefined ? null : new Set(topics);
  return fetched.topics
    .filter(({ name }) => wanted === null || wanted.has(name))
    .flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata }) => ({
        ...{ topic: name, partition: partitionIndex, offset: committedOffset },
        ...{ leaderEpoch: committedLeaderEpoch, metadata },
        ...standing(broker, name, partitionIndex, committedOffset),
      })),
    )
    .sort((one, other) =>
      one.topic === other.topic ? one.partition - other.partition : one.topic < other.topic ? -1 : 1,
    );
}

/** How far an offset is from what its partition holds; nulls when that cannot be read. */
export function standing(
  broker: Broker,
  topic: string,
  partition: number,
  offset: number,
): Pick<Committed, "logStartOffset" | "highWatermark" | "lag"> {
  try {
    const { earliest, latest } = broker.offsets(topic, partition);
    // What is deleted is not to be read any more.
    return { logStartOffset: earliest, highWatermark: latest, lag: Math.max(0, latest - Math.max(earliest, offset)) };
  } catch {
    return { logStartOffset: null, highWatermark: null, lag: null };
  }
}
