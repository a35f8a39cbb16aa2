// /v1/groups: list, describe, delete.
//
// Owns: one description for both protocols: who is a member, who has what, and how far the group is.

import { z } from "@hono/zod-openapi";
import {
  type Broker,
  type DescribedConsumerGroup,
  type DescribedGroup,
  MoldauError,
  type NamedTopicPartitions,
} from "../../engine/index.ts";
import { answer, jsonOrCbor } from "./answer.ts";
import { classicAssignment } from "./classic-assignment.ts";
import { committedOffsets } from "./group-offsets.ts";
import { groupSchema, groupsSchema } from "./group-schemas.ts";
import type { Assigned } from "./group-session.ts";
import { type Face, type Operation, operation } from "./operation.ts";
import { respond } from "./respond.ts";
import { jsonAndCbor } from "./schemas.ts";

const tags = ["groups"];
const path = "/v1/groups/{group}";
const query = z.strictObject({});
const listQuery = z.strictObject({
  state: z.string().min(1).optional().openapi({
    description: "Only groups in this state, of any case: Stable, Empty, ...",
    example: "Stable",
  }),
  type: z.enum(["classic", "consumer"]).optional().openapi({ description: "Only groups of this protocol" }),
});

export function groupOperations(face: Face): Operation[] {
  const { broker } = face;
  return [
    operation({
      method: "get",
      path: "/v1/groups",
      query: listQuery,
      forms: jsonOrCbor,
      tags,
      summary: "List groups",
      responses: { 200: { description: "By name", content: jsonAndCbor(groupsSchema) } },
      async handle({ form, query: { state, type } }) {
        const listed = await broker.groups.listGroups({
          ...(state === undefined ? {} : { statesFilter: [state] }),
          ...(type === undefined ? {} : { typesFilter: [type] }),
        });
        const groups = listed.map(({ groupId, groupType, protocolType, groupState }) => {
          return { group: groupId, type: groupType, protocolType, state: groupState };
        });
        return answer(form, 200, { groups });
      },
    }),
    operation({
      method: "get",
      path,
      query,
      forms: jsonOrCbor,
      tags,
      summary: "Describe a group",
      responses: { 200: { description: "Its members and its offsets", content: jsonAndCbor(groupSchema) } },
      handle: async ({ form, group }) => answer(form, 200, await describeGroup(broker, group)),
    }),
    operation({
      method: "delete",
      path,
      query,
      tags,
      summary: "Delete a group that has no members, with its offsets",
      responses: { 204: { description: "Deleted, durably" } },
      async handle({ group }) {
        const [deleted] = await broker.groups.deleteGroups([group]);
        if (deleted?.error !== undefined) throw deleted.error;
        return respond(204, null, null);
      },
    }),
  ];
}

async function describeGroup(broker: Broker, groupId: string): Promise<unknown> {
  const [consumer] = await broker.groups.describeConsumerGroups([groupId]);
  const found =
    consumer === undefined || consumer.error !== undefined
      ? describeClassic(await classicGroup(broker, groupId))
      : describeConsumer(consumer);
  return { ...found, offsets: await committedOffsets(broker, { groupId }) };
}

async function classicGroup(broker: Broker, groupId: string): Promise<DescribedGroup> {
  const [classic] = await broker.groups.describeGroups([groupId]);
  if (classic === undefined) throw new MoldauError("UNKNOWN_SERVER_ERROR", "the group was not described");
  if (classic.error !== undefined) throw classic.error;
  return classic;
}

function describeConsumer(group: DescribedConsumerGroup): object {
  return {
    ...{ group: group.groupId, type: "consumer", protocolType: "consumer", state: group.groupState },
    ...{ epoch: group.groupEpoch, assignmentEpoch: group.assignmentEpoch, assignor: group.assignorName },
    members: group.members.map((member) => ({
      ...{ memberId: member.memberId, instanceId: member.instanceId },
      ...{ clientId: member.clientId, clientHost: member.clientHost },
      ...{ memberEpoch: member.memberEpoch, rackId: member.rackId },
      ...{ topics: member.subscribedTopicNames, topicRegex: member.subscribedTopicRegex },
      ...{ assignment: assigned(member.assignment), target: assigned(member.targetAssignment) },
    })),
  };
}

function describeClassic(group: DescribedGroup): object {
  return {
    ...{ group: group.groupId, type: "classic", protocolType: group.protocolType, state: group.groupState },
    ...{ epoch: group.generationId, assignor: group.protocolData },
    members: group.members.map((member) => ({
      ...{ memberId: member.memberId, instanceId: member.groupInstanceId },
      ...{ clientId: member.clientId, clientHost: member.clientHost, memberEpoch: group.generationId },
      assignment: group.protocolType === "consumer" ? classicAssignment(member.memberAssignment) : null,
    })),
  };
}

function assigned(topics: readonly NamedTopicPartitions[]): Assigned[] {
  return topics.map(({ topicName, partitions }) => ({ topic: topicName, partitions }));
}
