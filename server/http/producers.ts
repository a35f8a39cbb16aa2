// POST /v1/producers: an id for idempotent produce.

import { z } from "@hono/zod-openapi";
import { answer, jsonOrCbor } from "./answer.ts";
import { type Face, type Operation, operation } from "./operation.ts";
import { jsonAndCbor } from "./schemas.ts";

const producerSchema = z.object({ producerId: z.int(), producerEpoch: z.int() }).openapi("Producer");

export function producerOperations(face: Face): Operation[] {
  return [
    operation({
      method: "post",
      path: "/v1/producers",
      query: z.strictObject({}),
      forms: jsonOrCbor,
      tags: ["producers"],
      summary: "Take a producer id that nobody had before",
      responses: { 200: { description: "An id and its epoch", content: jsonAndCbor(producerSchema) } },
      async handle({ form }) {
        const { producerId, producerEpoch } = await face.broker.allocateProducer();
        return answer(form, 200, { producerId, producerEpoch });
      },
    }),
  ];
}
