// /v1/groups/{group}/members: join, heartbeat, leave, for clients that keep their membership themselves.
//
// Owns: topics by name where the protocol (KIP-848) has ids. Never: a member's own work: to let go
//   what it is not to have any more, and to say so.

import { z } from "@hono/zod-openapi";
import {
  type Broker,
  type ConsumerGroupHeartbeatResult,
  MoldauError,
  type TopicPartitions,
} from "../../engine/index.ts";
import { answer, jsonOrCbor } from "./answer.ts";
import { heartbeatSchema, joinSchema, membershipSchema, type TopicAndPartitions } from "./group-schemas.ts";
import { type Call, type Face, type Operation, operation } from "./operation.ts";
import { parseBy } from "./parameters.ts";
import { invalid } from "./problem.ts";
import { respond } from "./respond.ts";
import { jsonAndCbor } from "./schemas.ts";
import { smallBody } from "./small-body.ts";

const tags = ["groups"];
const path = "/v1/groups/{group}/members";
const query = z.strictObject({});
const leaveQuery = z.strictObject({
  instanceId: z.string().min(1).optional().openapi({
    description: "Of a static member: it leaves for a while, and its partitions wait for it",
  }),
});
/** max.poll.interval.ms, as Kafka's clients have it. */
const defaultRebalanceTimeoutMs = 300_000;
const clientId = "http";

export function groupMemberOperations(face: Face): Operation[] {
  const { broker } = face;
  return [
    operation({
      method: "post",
      path,
      query,
      forms: jsonOrCbor,
      tags,
      summary: "Join a group",
      body: { required: true, content: jsonAndCbor(joinSchema) },
      responses: { 200: { description: "The new member, and what it has", content: jsonAndCbor(membershipSchema) } },
      async handle(call) {
        const body = parseBy(joinSchema, await smallBody(call, face), "body");
        if (body.topics === undefined && body.topicRegex === undefined)
          throw invalid("body: topics or topicRegex is missing: what the member is to read");
        const { memberId = "", rebalanceTimeoutMs = defaultRebalanceTimeoutMs } = body;
        const result = await broker.groups.consumerGroupHeartbeat({
          ...{ groupId: call.group, memberId, memberEpoch: 0, ...subscriptionOf(body), rebalanceTimeoutMs, clientId },
          topicPartitions: [],
        });
        return membership(call, broker, result);
      },
    }),
    operation({
      method: "post",
      path: `${path}/{member}`,
      query,
      forms: jsonOrCbor,
      tags,
      summary: "Heartbeat: the member lives, and has what it says",
      body: { required: true, content: jsonAndCbor(heartbeatSchema) },
      responses: { 200: { description: "What it is to have", content: jsonAndCbor(membershipSchema) } },
      async handle(call) {
        const body = parseBy(heartbeatSchema, await smallBody(call, face), "body");
        if (body.memberEpoch === 0) throw invalid("body: memberEpoch 0 is who joins: POST to .../members");
        refuseKept(call, face);
        const { assignment } = body;
        const result = await broker.groups.consumerGroupHeartbeat({
          ...{ groupId: call.group, memberId: call.member, memberEpoch: body.memberEpoch, ...subscriptionOf(body) },
          ...{ clientId, topicPartitions: assignment === undefined ? null : withIds(broker, assignment) },
        });
        return membership(call, broker, result);
      },
    }),
    operation({
      method: "delete",
      path: `${path}/{member}`,
      query: leaveQuery,
      tags,
      summary: "Leave a group",
      responses: { 204: { description: "Left: others have its partitions with their next heartbeat" } },
      async handle({ group: groupId, member: memberId, query: { instanceId } }) {
        const kept = face.sessions.find(groupId, memberId);
        if (kept === undefined) {
          const memberEpoch = instanceId === undefined ? -1 : -2;
          const leaving = { groupId, memberId, memberEpoch, ...(instanceId === undefined ? {} : { instanceId }) };
          await broker.groups.consumerGroupHeartbeat(leaving);
        } else await kept.end(new MoldauError("UNKNOWN_MEMBER_ID", "the member was told to leave: join again"));
        return respond(204, null, null);
      },
    }),
  ];
}

/** Two that heartbeat for one member would each let go what the other has. */
function refuseKept({ group, member }: Call<unknown>, { sessions }: Face): void {
  if (sessions.find(group, member) === undefined) return;
  throw invalid(`the server itself heartbeats for member '${member}', as long as its client reads .../records`);
}

function subscriptionOf(body: z.output<typeof joinSchema>): object {
  return {
    ...(body.topics === undefined ? {} : { subscribedTopicNames: body.topics }),
    ...(body.topicRegex === undefined ? {} : { subscribedTopicRegex: body.topicRegex }),
    ...(body.instanceId === undefined ? {} : { instanceId: body.instanceId }),
    ...(body.rackId === undefined ? {} : { rackId: body.rackId }),
    ...(body.assignor === undefined ? {} : { serverAssignor: body.assignor }),
    ...(body.rebalanceTimeoutMs === undefined ? {} : { rebalanceTimeoutMs: body.rebalanceTimeoutMs }),
  };
}

function membership(call: Call<unknown>, broker: Broker, result: ConsumerGroupHeartbeatResult): Response {
  const { memberId, memberEpoch, heartbeatIntervalMs } = result;
  const assignment = result.assignment === null ? null : withNames(broker, result.assignment);
  return answer(call.form, 200, { memberId, memberEpoch, heartbeatIntervalMs, assignment });
}

/** Topics that are gone are nobody's. */
function withNames(broker: Broker, topics: readonly TopicPartitions[]): TopicAndPartitions[] {
  return topics.flatMap(({ topicId, partitions }) => {
    const topic = broker.topicName(topicId);
    return topic === null ? [] : [{ topic, partitions: [...partitions] }];
  });
}

function withIds(broker: Broker, topics: readonly TopicAndPartitions[]): TopicPartitions[] {
  return topics.flatMap(({ topic, partitions }) => {
    try {
      return [{ topicId: broker.describeTopic(topic).id, partitions }];
    } catch (thrown) {
      if (thrown instanceof MoldauError && thrown.code === "UNKNOWN_TOPIC_OR_PARTITION") return [];
      throw thrown;
    }
  });
}
