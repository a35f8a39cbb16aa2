// The shapes of what groups are asked and answer.
//
// Owns: their names, and the check of bodies. Never: knows a group.

import { z } from "@hono/zod-openapi";
import { limits } from "../../engine/index.ts";
import { bytesSchema } from "./schemas.ts";

const maxEpoch = 2_147_483_647;
/** As many as a group may have partitions. */
const maxEntries = limits.maxPartitionsPerGroup;

const id = z.string().min(1).max(limits.maxGroupIdLength);
const partition = z.int().min(0).max(maxEpoch);
const epoch = z.int().min(0).max(maxEpoch);
const offset = z.int().min(0).openapi({ format: "int64", example: 42 });
const topicPartitions = z.strictObject({
  topic: z.string().openapi({ example: "events" }),
  partitions: z.array(partition).max(maxEntries),
});
const assignment = z.array(topicPartitions).max(maxEntries);
const error = z.object({
  code: z.string(),
  retriable: z.boolean(),
  effect: z.enum(["none", "unknown"]),
  detail: z.string(),
});

export interface TopicAndPartitions {
  topic: string;
  partitions: number[];
}

interface Subscription {
  topics?: string[] | undefined;
  topicRegex?: string | undefined;
  instanceId?: string | undefined;
  rackId?: string | undefined;
  assignor?: string | undefined;
  rebalanceTimeoutMs?: number | undefined;
}

const subscription = {
  topics: z
    .array(z.string().min(1))
    .max(maxEntries)
    .optional()
    .openapi({ example: ["events"] }),
  topicRegex: z.string().optional().openapi({ description: "RE2; matches whole names, besides topics" }),
  instanceId: id.optional().openapi({ description: "Of a static member" }),
  rackId: id.optional(),
  assignor: z.string().optional().openapi({ description: "uniform or range", example: "uniform" }),
  rebalanceTimeoutMs: z.int().min(0).max(maxEpoch).optional().openapi({
    description: "How long the member may take to let a partition go. When it joins: 300000 unless given",
  }),
};

export const joinSchema: z.ZodType<Subscription & { memberId?: string | undefined }> = z
  .strictObject({
    memberId: id.optional().openapi({ description: "The client's own choice; the server's when absent" }),
    ...subscription,
  })
  .openapi("JoinGroup");

export const heartbeatSchema: z.ZodType<
  Subscription & { memberEpoch: number; assignment?: TopicAndPartitions[] | undefined }
> = z
  .strictObject({
    memberEpoch: epoch,
    assignment: assignment.optional().openapi({
      description: "What the member has: leave out what it has let go. Absent: unchanged since it was last said",
    }),
    ...subscription,
  })
  .openapi("GroupHeartbeat");

export const membershipSchema: z.ZodType = z
  .object({
    memberId: z.string(),
    memberEpoch: z.int(),
    heartbeatIntervalMs: z.int(),
    assignment: assignment.nullable().openapi({ description: "What the member is to have; null: unchanged" }),
  })
  .openapi("Membership");

export interface OffsetBody {
  topic: string;
  partition: number;
  offset: number;
  leaderEpoch?: number | undefined;
  metadata?: string | undefined;
}

export const commitSchema: z.ZodType<{
  memberId?: string | undefined;
  memberEpoch?: number | undefined;
  instanceId?: string | undefined;
  offsets: OffsetBody[];
}> = z
  .strictObject({
    memberId: id.optional(),
    memberEpoch: epoch.optional().openapi({ description: "The generation, in a group of the classic protocol" }),
    instanceId: id.optional(),
    offsets: z
      .array(
        z.strictObject({
          topic: z.string().min(1).openapi({ example: "events" }),
          partition,
          offset: offset.openapi({ description: "Where to go on: that of the last record read, and one" }),
          leaderEpoch: epoch.optional(),
          metadata: z.string().optional(),
        }),
      )
      .min(1)
      .max(maxEntries),
  })
  .openapi("CommitOffsets");

const outcome = z.object({ topic: z.string(), partition, offset: offset.optional(), error: error.optional() });
export const outcomesSchema: z.ZodType = z.object({ offsets: z.array(outcome) }).openapi("OffsetOutcomes");

const committed = z.object({
  topic: z.string(),
  partition,
  offset,
  leaderEpoch: z.int().openapi({ description: "-1: not said" }),
  metadata: z.string(),
  logStartOffset: offset.nullable(),
  highWatermark: offset.nullable().openapi({ description: "null when the partition cannot be read now" }),
  lag: z.int().nullable(),
});
export const committedSchema: z.ZodType = z.object({ offsets: z.array(committed) }).openapi("CommittedOffsets");

const listed = z.object({
  group: z.string(),
  type: z.enum(["classic", "consumer"]),
  protocolType: z.string(),
  state: z.string(),
});
export const groupsSchema: z.ZodType = z.object({ groups: z.array(listed) }).openapi("Groups");

const member = z.object({
  memberId: z.string(),
  instanceId: z.string().nullable(),
  clientId: z.string(),
  clientHost: z.string(),
  memberEpoch: z.int(),
  rackId: z.string().nullable().optional(),
  topics: z.array(z.string()).optional(),
  topicRegex: z.string().nullable().optional(),
  assignment: assignment.nullable().openapi({ description: "null when its bytes are no consumer's" }),
  target: assignment.optional().openapi({ description: "What the member is on its way to" }),
});
export const groupSchema: z.ZodType = listed
  .extend({
    epoch: z.int().openapi({ description: "The group's epoch, or the generation" }),
    assignmentEpoch: z.int().optional(),
    assignor: z.string(),
    members: z.array(member),
    offsets: z.array(committed),
  })
  .openapi("Group");

const record = z.object({
  topic: z.string(),
  partition,
  offset,
  timestamp: z.int(),
  key: bytesSchema,
  value: bytesSchema,
  headers: z.array(z.tuple([z.string(), bytesSchema])),
});
export const groupRecordsSchema: z.ZodType = z
  .object({
    memberId: z.string(),
    memberEpoch: z.int(),
    assignment,
    answer: z.int().openapi({ description: "The next poll says it as after, when this answer has come" }),
    lag: z.int().openapi({ description: "Records of the member's partitions that are there and come later" }),
    next: z.string().openapi({ description: "The next poll, as a path" }),
    records: z.array(record),
  })
  .openapi("GroupRecords");
