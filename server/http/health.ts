// Whether the server lives (/healthz) and takes requests (/readyz), and a page for whoever comes to /.

import { z } from "@hono/zod-openapi";
import { MoldauError } from "../../engine/index.ts";
import { mediaTypes } from "./media-type.ts";
import { type Face, type Operation, operation } from "./operation.ts";
import { respond } from "./respond.ts";

const query = z.object({});
const tags = ["server"];
const healthSchema = z
  .object({
    status: z.literal("ok"),
    version: z.string(),
    runtime: z.object({ name: z.string(), version: z.string() }),
    durability: z.enum(["sync", "os"]),
  })
  .openapi("Health");

export function healthOperations(face: Face): Operation[] {
  const { broker, runtime, version } = face;
  return [
    operation({
      method: "get",
      path: "/",
      query,
      tags,
      summary: "Where to go from here",
      responses: { 200: { description: "A few lines of text", content: { "text/plain": { schema: z.string() } } } },
      handle: () => respond(200, "text/plain; charset=utf-8", indexPage(face)),
    }),
    operation({
      method: "get",
      path: "/healthz",
      query,
      tags,
      summary: "The server lives",
      responses: {
        200: {
          description: "It does, and this is what it runs on",
          content: { [mediaTypes.json]: { schema: healthSchema } },
        },
      },
      handle: () =>
        respond(
          200,
          mediaTypes.json,
          JSON.stringify({ status: "ok", version, runtime, durability: broker.durability }),
        ),
    }),
    operation({
      method: "get",
      path: "/readyz",
      query,
      tags,
      summary: "The server takes requests",
      responses: {
        200: {
          description: "It does",
          content: { [mediaTypes.json]: { schema: z.object({ status: z.literal("ready") }).openapi("Ready") } },
        },
      },
      handle() {
        if (!broker.ready) throw new MoldauError("BROKER_CLOSED", "the broker is closing");
        return respond(200, mediaTypes.json, '{"status":"ready"}');
      },
    }),
  ];
}

function indexPage({ version, runtime }: Face): string {
  return [
    `Moldau ${version} on ${runtime.name} ${runtime.version}`,
    "",
    "/docs          every route, for people",
    "/openapi.json  every route, for machines",
    "/v1/topics     the topics",
    "/v1/groups     the groups",
    "/healthz       alive",
    "/readyz        taking requests",
    "/metrics       for Prometheus",
    "",
  ].join("\n");
}
