// What the members that this server keeps may be asked for, and the lists of topics in queries.
//
// Owns: the bounds and their defaults. Never: fetches.

import { z } from "@hono/zod-openapi";
import { limits } from "../../engine/index.ts";
import { integerParameter } from "./parameters.ts";

const maxTopics = 1000;

/** Names with commas between them. */
export function topicsParameter(description: string): z.ZodOptional<z.ZodType<string[], string>> {
  return z
    .string()
    .transform((text, context) => {
      const names = [...new Set(text.split(","))].sort();
      const fault = names.includes("")
        ? "is a list of topics, with commas between them"
        : names.length > maxTopics
          ? `names over ${maxTopics} topics`
          : null;
      if (fault === null) return names;
      context.issues.push({ code: "custom", message: fault, input: text });
      return z.NEVER;
    })
    .openapi({ type: "string", example: "events,orders", description })
    .optional();
}

export const epochParameter: z.ZodOptional<z.ZodType<number, string>> = integerParameter({
  description: "The member's epoch, as its last heartbeat was answered",
  minimum: 0,
  maximum: 2_147_483_647,
});

export interface GroupRecordsQuery {
  readonly topics?: readonly string[] | undefined;
  readonly memberId?: string | undefined;
  readonly after?: number | undefined;
  readonly offset?: "earliest" | "latest" | undefined;
  readonly limit?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly sessionMs?: number | undefined;
  readonly values?: "string" | "json" | "base64" | undefined;
}

const recordsQuery = z.strictObject({
  topics: topicsParameter("What the new member is subscribed to, with commas between the names"),
  memberId: z
    .string()
    .min(1)
    .max(limits.maxGroupIdLength)
    .openapi({ description: "Of a long poll: the member of the answer before" })
    .optional(),
  after: integerParameter({
    description: "Of a long poll: the number of the answer that was received; it and those before it are committed",
    minimum: 0,
  }),
  offset: z.enum(["earliest", "latest"]).optional().openapi({
    description: "Where a partition begins of which the group has committed nothing (default: earliest)",
  }),
  limit: integerParameter({
    description: "Of a long poll: records at most",
    minimum: 1,
    maximum: 10_000,
    default: 1000,
  }),
  maxBytes: integerParameter({
    description: "Bytes of batches read at most; one whole batch comes even over it. An answer carries 4194304 at most",
    minimum: 1,
    maximum: 16_777_216,
    default: 1_048_576,
  }),
  waitMs: integerParameter({
    description: "Of a long poll: how long to wait when there is nothing yet",
    minimum: 0,
    maximum: 300_000,
    default: 0,
  }),
  sessionMs: integerParameter({
    description: "Of a long poll: the member leaves when no poll comes for so long",
    minimum: 1000,
    maximum: 1_800_000,
    default: 60_000,
  }),
  values: z.enum(["string", "json", "base64"]).optional().openapi({ description: "As of a fetch" }),
});

export const groupRecordsQuery: z.ZodObject & z.ZodType<GroupRecordsQuery> = recordsQuery;
