// The HTTP face: a broker's methods as routes. It translates and does nothing else.
//
// Owns: which operations there are, and what happens around all of them: metrics, CORS, and an
//   answer for paths and methods that nobody serves.
// Never: listens (server/runtime), or knows which runtime runs it: it is told its name.

import { Hono } from "hono";
import { cors } from "hono/cors";
import { type Broker, Budget, type Clock, type Logger } from "../../engine/index.ts";
import type { ExchangeBindings } from "../exchange.ts";
import { bodyIdleMs, smallBodyMs } from "./body.ts";
import { Deadlines } from "./deadlines.ts";
import { groupMemberOperations } from "./group-members.ts";
import { groupOffsetOperations } from "./group-offsets.ts";
import { groupRecordsOperations } from "./group-records.ts";
import { GroupSessions } from "./group-sessions.ts";
import { groupOperations } from "./groups.ts";
import { healthOperations } from "./health.ts";
import { untakenMs } from "./held-answer.ts";
import { answersBytes } from "./held-fetch.ts";
import { IncomingBody } from "./incoming-body.ts";
import { createMetrics } from "./metrics.ts";
import { offsetOperations } from "./offsets.ts";
import { openApiOperations } from "./openapi.ts";
import { type Face, logUnforeseen, type Operation, type Runner, type RuntimeName, runner } from "./operation.ts";
import { problemResponse, RequestError } from "./problem.ts";
import { producerOperations } from "./producers.ts";
import { fetchOperations } from "./records-fetch.ts";
import { produceOperations } from "./records-produce.ts";
import { respond } from "./respond.ts";
import { topicOperations } from "./topics.ts";

export interface AppOptions {
  readonly broker: Broker;
  /** Named by /healthz. */
  readonly runtime: RuntimeName;
  /** Moldau's. */
  readonly version: string;
  readonly clock: Clock;
  readonly logger?: Logger;
  /** Origins whose pages may call, "*" for all; absent: none may. */
  readonly corsOrigin?: string | readonly string[];
  /** One body in memory, or one record of a streaming one. 16 MiB. */
  readonly maxRequestBytes?: number;
  /** Answers that are written out record by record, together, until they have left. 64 MiB. */
  readonly answersBytes?: number;
  /** The members kept for those who read as a group; whoever hands them in closes them before the broker. */
  readonly sessions?: GroupSessions;
  /** An event stream that has nothing to say says so this often. 15 000. */
  readonly heartbeatMs?: number;
}

type Environment = { Bindings: ExchangeBindings };

const silent: Logger = { log: () => {} };
const corsHeaders = {
  allowMethods: ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"],
  allowHeaders: [
    "Accept",
    "Content-Type",
    "If-Match",
    "Last-Event-ID",
    "Producer-Id",
    "Producer-Epoch",
    "Producer-Seq",
  ],
  exposeHeaders: ["ETag", "Retry-After", "Moldau-Log-Start-Offset", "Moldau-High-Watermark", "Moldau-Next-Offset"],
  maxAge: 600,
};

/** A Hono app; its `fetch` is what a listener serves. */
export function createApp(options: AppOptions): Hono<Environment> {
  const { broker, runtime, version, clock, corsOrigin } = options;
  const { logger = silent, maxRequestBytes = 16 * 1024 * 1024, heartbeatMs = 15_000 } = options;
  const answers = new Budget(options.answersBytes ?? answersBytes);
  const deadlines = {
    idleBodies: new Deadlines(clock, bodyIdleMs),
    smallBodies: new Deadlines(clock, smallBodyMs),
    untakenAnswers: new Deadlines(clock, untakenMs),
  };
  const sessions = options.sessions ?? new GroupSessions({ broker, clock, logger });
  const face: Face = {
    ...{ broker, runtime, version, clock, logger, maxRequestBytes, heartbeatMs, answers, sessions, deadlines },
  };
  const metrics = createMetrics(face);
  const operations: Operation[] = [
    ...topicOperations(face),
    ...produceOperations(face),
    ...fetchOperations(face),
    ...offsetOperations(face),
    ...producerOperations(face),
    ...groupOperations(face),
    ...groupMemberOperations(face),
    ...groupOffsetOperations(face),
    ...groupRecordsOperations(face),
    ...healthOperations(face),
    ...metrics.operations,
  ];
  operations.push(...openApiOperations([...operations], face));

  const app = new Hono<Environment>();
  // Not a middleware: a route that stands alone is called at once.
  const observed =
    (route: string | null, run: Runner): Runner =>
    async (context) => {
      const started = clock.monotonic();
      const response = await run(context);
      metrics.requests.observe(context.req.method, route, response.status, (clock.monotonic() - started) / 1000);
      return response;
    };
  if (corsOrigin !== undefined) {
    const origin = typeof corsOrigin === "string" ? corsOrigin : [...corsOrigin];
    const crossOrigin = cors({ ...corsHeaders, origin });
    app.use(async (context, next) => {
      const preflight = await crossOrigin(context, next);
      if (preflight !== undefined) metrics.requests.observe(context.req.method, null, preflight.status, 0);
      return preflight;
    });
  }
  for (const one of operations) {
    const path = one.path.replaceAll(/\{(\w+)\}/g, ":$1");
    app.on(one.method.toUpperCase(), path, observed(one.path, runner(one, face)));
  }
  const served = methodsByPath(operations);
  app.notFound(
    observed(null, async ({ req, env }) => {
      await new IncomingBody(req.raw, env?.exchange).discard(face);
      return answerUnserved(req.method, req.path, served);
    }),
  );
  app.onError(async (error, { req }) => {
    logUnforeseen(face, error, `${req.method} ${req.path}`);
    metrics.requests.observe(req.method, null, 500, 0);
    return problemResponse(error);
  });
  return app;
}

interface ServedPath {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

function methodsByPath(operations: readonly Operation[]): ServedPath[] {
  const served = new Map<string, ServedPath>();
  for (const { path, method } of operations) {
    const known = served.get(path) ?? {
      pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`),
      methods: new Set(["OPTIONS"]),
    };
    known.methods.add(method.toUpperCase());
    if (method === "get") known.methods.add("HEAD");
    served.set(path, known);
  }
  return [...served.values()];
}

function answerUnserved(method: string, path: string, served: readonly ServedPath[]): Response {
  const methods = served.filter(({ pattern }) => pattern.test(path)).flatMap((one) => [...one.methods]);
  if (methods.length === 0)
    return problemResponse(new RequestError("NOT_FOUND", `there is no ${path} here; /docs lists what there is`));
  const allow = methods.sort().join(", ");
  if (method === "OPTIONS") return respond(204, null, null, { allow });
  return problemResponse(
    new RequestError("METHOD_NOT_ALLOWED", `${method} is not served here; ${allow} are`, { allow }),
  );
}
