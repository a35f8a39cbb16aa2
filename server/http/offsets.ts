// Where a partition begins and ends, by time, and deleting what lies before an offset.

import { z } from "@hono/zod-openapi";
import { answer, jsonOrCbor } from "./answer.ts";
import { type Face, type Operation, operation } from "./operation.ts";
import { integerFault, integerParameter } from "./parameters.ts";
import { jsonAndCbor, offsetsSchema } from "./schemas.ts";

const offsetsQuery = z.strictObject({
  timestamp: integerParameter({
    description: "Milliseconds: asks for the first record at or after this time instead",
    minimum: 0,
    example: 1767000000000,
  }),
});

const deleteQuery = z.strictObject({
  before: z
    .string({ error: "say up to where: an offset, or latest for all that can be read" })
    .transform((text, context) => {
      if (text === "latest") return -1;
      const fault = integerFault(text, { minimum: 0 });
      if (fault === null) return Number(text);
      context.issues.push({ code: "custom", message: `${fault}; say an offset, or latest`, input: text });
      return z.NEVER;
    })
    .openapi({
      type: "string",
      description: "The first offset to keep; `latest` deletes all that can be read",
      example: "42",
    }),
});

const deletedSchema = z.object({ logStartOffset: z.int() }).openapi("DeletedRecords");

export function offsetOperations(face: Face): Operation[] {
  const { broker } = face;
  return [
    operation({
      method: "get",
      path: "/v1/topics/{topic}/partitions/{partition}/offsets",
      query: offsetsQuery,
      forms: jsonOrCbor,
      tags: ["offsets"],
      summary: "The earliest and the latest offset, or the first at or after a time",
      responses: {
        200: { description: "Offsets; null when no record is that young", content: jsonAndCbor(offsetsSchema) },
      },
      async handle({ form, topic, partition, query: { timestamp } }) {
        const offsets = broker.offsets(topic, partition);
        if (timestamp !== undefined) {
          const found = await broker.offsetForTimestamp(topic, partition, timestamp);
          return answer(form, 200, { offset: found.offset, timestamp: found.timestamp });
        }
        const { earliest, latest } = offsets;
        return answer(form, 200, { earliest, latest }, { etag: `"${latest}"` });
      },
    }),
    operation({
      method: "delete",
      path: "/v1/topics/{topic}/partitions/{partition}/records",
      query: deleteQuery,
      forms: jsonOrCbor,
      tags: ["records"],
      summary: "Delete the records before an offset",
      responses: { 200: { description: "Durable: the new log start offset", content: jsonAndCbor(deletedSchema) } },
      async handle({ form, topic, partition, query: { before } }) {
        return answer(form, 200, { logStartOffset: await broker.deleteRecords(topic, partition, before) });
      },
    }),
  ];
}
