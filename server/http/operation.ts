// An operation is one method on one path: its description and its handler in one place.
//
// Owns: what a handler is given, and the order in which a request is looked at: path, query,
//   then the answer's form, all before anything is done.
// Never: reads a body, or knows what an operation does.
//
// The schemas that describe bodies are for the document: record bodies are checked by hand
// (record-input.ts), because there may be millions of records.

import type { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { type Broker, type Clock, type Logger, MoldauError } from "../../engine/index.ts";
import { discardBody } from "./body.ts";
import { acceptedForm, type Form, mediaTypes } from "./media-type.ts";
import { parseBy, parseInteger, singleValues } from "./parameters.ts";
import { errorMember, problemResponse } from "./problem.ts";

export interface RuntimeName {
  readonly name: string;
  readonly version: string;
}

/** What the face is made of; every handler shares it. */
export interface Face {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runtime: RuntimeName;
  readonly version: string;
  readonly maxRequestBytes: number;
  readonly heartbeatMs: number;
}

export interface Call<Query> {
  readonly request: Request;
  readonly headers: Headers;
  readonly query: Query;
  /** From the path; empty where the path has none. */
  readonly topic: string;
  /** From the path; -1 where the path has none. */
  readonly partition: number;
  /** The answer's form, already agreed on. */
  readonly form: Form;
  /** Fires when the client has gone. */
  readonly signal: AbortSignal;
}

type RegisteredRoute = Parameters<OpenAPIHono["openAPIRegistry"]["registerPath"]>[0];
export type Described = Pick<RegisteredRoute, "summary" | "description" | "tags" | "responses"> & {
  readonly body?: NonNullable<NonNullable<RegisteredRoute["request"]>["body"]>;
  readonly headers?: z.ZodObject;
};

export type Method = "get" | "put" | "post" | "patch" | "delete";

export interface Operation extends Described {
  readonly method: Method;
  /** With {topic} and {partition}. */
  readonly path: string;
  readonly query?: z.ZodObject;
  readonly forms?: readonly [Form, ...Form[]];
  handle(call: Call<never>): Response | Promise<Response>;
}

export interface OperationOptions<Query extends z.ZodObject> extends Described {
  readonly method: Method;
  readonly path: string;
  readonly query: Query;
  /** The answers to choose from by Accept, the preferred one first; absent: no choice. */
  readonly forms?: readonly [Form, ...Form[]];
  handle(call: Call<z.output<Query>>): Response | Promise<Response>;
}

/** Keeps the query's type between its schema and its handler, then forgets it. */
export function operation<Query extends z.ZodObject>(options: OperationOptions<Query>): Operation {
  return options as unknown as Operation;
}

/** Runs an operation on a request; every refusal becomes a problem document. */
export async function runOperation(one: Operation, context: Context, face: Face): Promise<Response> {
  const { raw } = context.req;
  let topic = "";
  let partition = -1;
  try {
    topic = context.req.param("topic") ?? "";
    const partitionText = context.req.param("partition");
    if (partitionText !== undefined) partition = parseInteger("partition", partitionText, { minimum: 0 });
    const query = one.query === undefined ? {} : parseBy(one.query, singleValues(context.req.queries()), "query");
    const { headers } = raw;
    const form = one.forms === undefined ? "json" : acceptedForm(headers.get("accept"), preferring(one.forms, headers));
    const call = { request: raw, headers, query, topic, partition, form, signal: raw.signal };
    return await one.handle(call as unknown as Call<never>);
  } catch (thrown) {
    // Nobody reads this; an error that only says "aborted" is no news either.
    if (raw.signal.aborted) return new Response(null, { status: 499 });
    await discardBody(raw, face);
    logUnforeseen(face, thrown, `${one.method.toUpperCase()} ${one.path}`);
    return problemResponse(thrown, partitionMembers(face.broker, thrown, topic, partition));
  }
}

/** An error nobody foresaw goes to the log in full; the client is told little. */
export function logUnforeseen(face: Face, thrown: unknown, where: string): void {
  if (errorMember(thrown).code !== "UNKNOWN_SERVER_ERROR") return;
  let words = String(thrown);
  for (let error = thrown; error instanceof Error; error = error.cause) words = error.stack ?? words;
  face.logger.log("error", "a request met an unforeseen error", { where, error: words });
}

/** Who sends CBOR and asks for nothing else is answered in CBOR. */
function preferring(forms: readonly [Form, ...Form[]], headers: Headers): readonly [Form, ...Form[]] {
  const sent = headers.get("content-type")?.toLowerCase().split(";")[0]?.trim();
  const same = forms.find((form) => mediaTypes[form] === sent);
  return same === undefined ? forms : [same, ...forms];
}

/** Where the partition stands, for those errors that are about where it stands. */
export function partitionMembers(
  broker: Broker,
  thrown: unknown,
  topic: string,
  partition: number,
): Record<string, number> {
  if (partition < 0 || !(thrown instanceof MoldauError)) return {};
  if (thrown.code !== "OFFSET_MISMATCH" && thrown.code !== "OFFSET_OUT_OF_RANGE") return {};
  try {
    const found = broker.describeTopic(topic).partitions.find((one) => one.partition === partition);
    if (found === undefined) return {};
    const { logStartOffset, highWatermark, logEndOffset } = found;
    return { logStartOffset, highWatermark, logEndOffset };
  } catch {
    return {}; // deleted meanwhile
  }
}
