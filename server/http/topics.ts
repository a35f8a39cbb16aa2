// /v1/topics: create, list, describe, alter, delete.

import { z } from "@hono/zod-openapi";
import { answer, jsonOrCbor } from "./answer.ts";
import { type Face, type Operation, operation } from "./operation.ts";
import { parseBy } from "./parameters.ts";
import { invalid } from "./problem.ts";
import { respond } from "./respond.ts";
import { alterTopicSchema, createTopicSchema, jsonAndCbor, topicSchema, topicsSchema } from "./schemas.ts";
import { smallBody } from "./small-body.ts";

const tags = ["topics"];
const path = "/v1/topics/{topic}";
const query = z.strictObject({});

export function topicOperations(face: Face): Operation[] {
  const { broker } = face;
  return [
    operation({
      method: "get",
      path: "/v1/topics",
      query,
      forms: jsonOrCbor,
      tags,
      summary: "List topics",
      responses: { 200: { description: "All topics", content: jsonAndCbor(topicsSchema) } },
      handle: ({ form }) => answer(form, 200, { topics: broker.listTopics() }),
    }),
    operation({
      method: "put",
      path,
      query,
      forms: jsonOrCbor,
      tags,
      summary: "Create a topic",
      description: "Durable before it is answered. The same again is 200, with other partitions or configs 409.",
      body: { required: false, content: jsonAndCbor(createTopicSchema) },
      responses: {
        200: { description: "It was there, with these partitions and configs", content: jsonAndCbor(topicSchema) },
        201: { description: "Created", content: jsonAndCbor(topicSchema) },
      },
      async handle(call) {
        const { partitions, configs } = parseBy(createTopicSchema, await smallBody(call, face), "body");
        const { existing, ...topic } = await broker.createTopic(call.topic, {
          ...(partitions === undefined ? {} : { partitions }),
          ...(configs === undefined ? {} : { configs }),
        });
        return answer(call.form, existing ? 200 : 201, topic);
      },
    }),
    operation({
      method: "get",
      path,
      query,
      forms: jsonOrCbor,
      tags,
      summary: "Describe a topic",
      responses: { 200: { description: "Its partitions and configs", content: jsonAndCbor(topicSchema) } },
      handle: ({ form, topic }) => answer(form, 200, broker.describeTopic(topic)),
    }),
    operation({
      method: "patch",
      path,
      query,
      forms: jsonOrCbor,
      tags,
      summary: "Change a topic's configs or add partitions",
      body: { required: true, content: jsonAndCbor(alterTopicSchema) },
      responses: { 200: { description: "As it is now", content: jsonAndCbor(topicSchema) } },
      async handle(call) {
        const { partitions, configs } = parseBy(alterTopicSchema, await smallBody(call, face), "body");
        if (partitions === undefined && configs === undefined)
          throw invalid("body: neither partitions nor configs is given");
        const topic = await broker.alterTopic(call.topic, {
          ...(partitions === undefined ? {} : { partitions }),
          ...(configs === undefined ? {} : { configs }),
        });
        return answer(call.form, 200, topic);
      },
    }),
    operation({
      method: "delete",
      path,
      query,
      tags,
      summary: "Delete a topic with its records",
      responses: { 204: { description: "Deleted, durably" } },
      async handle({ topic }) {
        await broker.deleteTopic(topic);
        return respond(204, null, null);
      },
    }),
  ];
}
