// The shapes of bodies, for the OpenAPI document and for those small enough to be checked by it.
//
// Owns: their names and examples.
// Never: checks records; record-input.ts does it by hand, and a test holds the two together.

import { z } from "@hono/zod-openapi";
import { mediaTypes } from "./media-type.ts";

const text = z.string().openapi({ description: "UTF-8" });
const base64 = z.strictObject({ base64: z.string().openapi({ format: "base64", example: "AP8=" }) });
const json = z.strictObject({ json: z.unknown() });
const offset = z.int().min(0).openapi({ format: "int64", example: 41 });
const timestamp = z.int().openapi({ format: "int64", example: 1767000000000, description: "Milliseconds since 1970" });

export const bytesSchema: z.ZodType = z.union([text, base64, json, z.null()]).openapi("Bytes", {
  description: 'Bytes in JSON: a bare string is UTF-8, {"base64"} any bytes, {"json"} the text of a JSON value.',
});
const headers = z.array(z.tuple([z.string(), bytesSchema]));

const recordInput = z
  .strictObject({
    key: bytesSchema.optional(),
    value: bytesSchema.optional(),
    headers: headers.optional().openapi({ example: [["trace", "x"]] }),
    timestamp: timestamp.optional(),
    partition: z.int().min(0).optional().openapi({ description: "Overrides the partitioner" }),
  })
  .openapi("RecordInput", { example: { key: "user-7", value: { json: { a: 1 } }, headers: [["trace", "x"]] } });

export const produceSchema: z.ZodType = z
  .strictObject({ records: z.array(recordInput).min(1), acks: z.enum(["all", "leader", "none"]).optional() })
  .openapi("ProduceRequest");

const errorMember = z
  .object({ code: z.string(), retriable: z.boolean(), effect: z.enum(["none", "unknown"]), detail: z.string() })
  .openapi("Error");

const receipt = z
  .object({ partition: z.int(), offset, timestamp, duplicate: z.boolean().optional() })
  .openapi("Receipt");

export const resultsSchema: z.ZodType = z
  .object({ results: z.array(z.union([receipt, z.object({ error: errorMember })])) })
  .openapi("ProduceResponse", { description: "One result a record, in the order of the request." });

export const resultLineSchema: z.ZodType = z
  .union([receipt, z.object({ error: errorMember })])
  .openapi("ProduceResult");

export const appendSchema: z.ZodType = z
  .object({
    partition: z.int(),
    baseOffset: offset,
    lastOffset: offset,
    logAppendTime: timestamp.openapi({ description: "-1 unless the topic's timestamps are LogAppendTime" }),
    logStartOffset: offset,
    duplicate: z.boolean(),
  })
  .openapi("AppendResponse");

export const recordSchema: z.ZodType = z
  .object({ offset, timestamp, key: bytesSchema, value: bytesSchema, headers })
  .openapi("Record");

export const fetchSchema: z.ZodType = z
  .object({ records: z.array(recordSchema), logStartOffset: offset, highWatermark: offset, nextOffset: offset })
  .openapi("FetchResponse", { description: "Follow nextOffset; an empty list is not the end." });

const partition = z
  .object({
    partition: z.int(),
    state: z.enum(["online", "offline", "fenced"]),
    reason: z.string().optional(),
    logStartOffset: offset,
    highWatermark: offset,
    lastStableOffset: offset,
    logEndOffset: offset,
    leaderEpoch: z.int(),
    segments: z.int(),
    sizeBytes: z.int(),
  })
  .openapi("Partition");

const internal = z.literal(true).optional().openapi({ description: "the broker's own: it can only be read" });

export const topicSchema: z.ZodType = z
  .object({
    name: z.string(),
    id: z.string().openapi({ description: "32 hex digits" }),
    internal,
    partitions: z.array(partition),
    configs: z.record(z.string(), z.object({ value: z.string(), source: z.enum(["topic", "default"]) })),
  })
  .openapi("Topic");

export const topicsSchema: z.ZodType = z
  .object({ topics: z.array(z.object({ name: z.string(), id: z.string(), partitions: z.int(), internal })) })
  .openapi("Topics");

/** Numbers beyond 2^53-1 have lost digits already; as strings they keep them. */
const configNumber = z
  .number()
  .refine((value) => !Number.isInteger(value) || Number.isSafeInteger(value), "is beyond 2^53-1; send it as a string");
const configValue = z.union([z.string(), configNumber, z.boolean()], {
  error: () => "is neither a string, a number up to 2^53-1 nor a boolean; a larger number goes as a string",
});

export type ConfigValue = string | number | boolean;

export const createTopicSchema: z.ZodType<{
  partitions?: number | undefined;
  configs?: Record<string, ConfigValue> | undefined;
}> = z
  .strictObject({
    partitions: z.int().optional().openapi({ minimum: 1, default: 1 }),
    configs: z
      .record(z.string(), configValue)
      .optional()
      .openapi({ description: "By Kafka's names", example: { "retention.ms": 604800000 } }),
  })
  .openapi("CreateTopic");

export const alterTopicSchema: z.ZodType<{
  partitions?: number | undefined;
  configs?: Record<string, ConfigValue | null> | undefined;
}> = z
  .strictObject({
    partitions: z.int().optional().openapi({ description: "The new total; never fewer than there are" }),
    configs: z
      .record(z.string(), z.union([configValue, z.null()]))
      .optional()
      .openapi({ description: "null goes back to the default" }),
  })
  .openapi("AlterTopic");

export const offsetsSchema: z.ZodType = z
  .union([
    z.object({ earliest: offset, latest: offset }),
    z.object({ offset: offset.nullable(), timestamp: timestamp.nullable().optional() }),
  ])
  .openapi("Offsets");

export const problemSchema: z.ZodType = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().openapi({ example: "UNKNOWN_TOPIC_OR_PARTITION" }),
    retriable: z.boolean(),
    effect: z.enum(["none", "unknown"]).openapi({ description: "unknown: a write may have landed" }),
  })
  .openapi("Problem", { description: "RFC 9457" });

export const binarySchema: z.ZodType = z.string().openapi({ format: "binary" });

interface Content {
  readonly [type: string]: { readonly schema: z.ZodType };
}

/** JSON, and the same shape in CBOR with byte strings. */
export function jsonAndCbor(schema: z.ZodType): Content {
  return { [mediaTypes.json]: { schema }, [mediaTypes.cbor]: { schema } };
}
