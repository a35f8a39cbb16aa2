// The OpenAPI 3.1 document, made from the operations that also serve it.
//
// Owns: how an operation is told to the generator, and /openapi.json and /docs.
// Never: describes what no operation serves.

import { OpenAPIHono, z } from "@hono/zod-openapi";
import { mediaTypes } from "./media-type.ts";
import { openApiPage } from "./openapi-page.ts";
import { type Face, type Operation, operation } from "./operation.ts";
import { problemType } from "./problem.ts";
import { respond } from "./respond.ts";
import { problemSchema } from "./schemas.ts";

export type OpenApiDocument = ReturnType<OpenAPIHono["getOpenAPI31Document"]>;

const topicParameter = z.string().openapi({
  description: "a-z A-Z 0-9 . _ -, at most 249 characters",
  example: "events",
  pattern: "^[a-zA-Z0-9._-]{1,249}$",
});
const partitionParameter = z.string().openapi({ type: "integer", format: "int32", minimum: 0, example: 0 });
const groupParameter = z
  .string()
  .openapi({ description: "At most 512 characters", example: "billing", maxLength: 512 });
const memberParameter = z.string().openapi({ description: "As its join was answered", maxLength: 512 });

export function describeOperations(operations: readonly Operation[], face: Face): OpenApiDocument {
  const registry = new OpenAPIHono();
  for (const { method, path, query, headers, body, responses, summary, description, tags } of operations) {
    const params = {
      ...(path.includes("{topic}") ? { topic: topicParameter } : {}),
      ...(path.includes("{partition}") ? { partition: partitionParameter } : {}),
      ...(path.includes("{group}") ? { group: groupParameter } : {}),
      ...(path.includes("{member}") ? { member: memberParameter } : {}),
    };
    registry.openAPIRegistry.registerPath({
      method,
      path,
      ...(summary === undefined ? {} : { summary }),
      ...(description === undefined ? {} : { description }),
      ...(tags === undefined ? {} : { tags }),
      request: {
        params: z.object(params),
        ...(query === undefined ? {} : { query }),
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body }),
      },
      responses: {
        ...responses,
        default: {
          description: "Refused or failed: a problem document",
          content: { [problemType]: { schema: problemSchema } },
        },
      },
    });
  }
  return registry.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Moldau",
      version: face.version,
      description: "An event log: topics, partitions, offsets and retention as Kafka made them, over HTTP.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
  });
}

/** The document and its page; `all` names every operation, these two among them. */
export function openApiOperations(all: readonly Operation[], face: Face): Operation[] {
  let json: string | null = null;
  let page: string | null = null;
  let document: OpenApiDocument | null = null;
  const own: Operation[] = [
    operation({
      method: "get",
      path: "/openapi.json",
      query: z.object({}),
      tags: ["server"],
      summary: "This document",
      responses: { 200: { description: "OpenAPI 3.1", content: { [mediaTypes.json]: { schema: z.unknown() } } } },
      handle() {
        json ??= JSON.stringify(documentOf());
        return respond(200, mediaTypes.json, json);
      },
    }),
    operation({
      method: "get",
      path: "/docs",
      query: z.object({}),
      tags: ["server"],
      summary: "This document as a page",
      responses: {
        200: {
          description: "HTML without scripts or anything from elsewhere",
          content: { "text/html": { schema: z.string() } },
        },
      },
      handle() {
        page ??= openApiPage(documentOf());
        return respond(200, "text/html; charset=utf-8", page, {
          "content-security-policy":
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        });
      },
    }),
  ];
  const documentOf = (): OpenApiDocument => {
    document ??= describeOperations([...all, ...own], face);
    return document;
  };
  return own;
}
