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
import { type Broker, type Budget, type Clock, type Logger, MoldauError } from "../../engine/index.ts";
import type { ExchangeBindings } from "../exchange.ts";
import type { Deadlines } from "./deadlines.ts";
import type { GroupSessions } from "./group-sessions.ts";
import { IncomingBody } from "./incoming-body.ts";
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
  /** Shared by the answers that are written out record by record. */
  readonly answers: Budget;
  readonly sessions: GroupSessions;
  readonly deadlines: {
    /** Of a body, or a part of it, that is to go on. */
    readonly idleBodies: Deadlines;
    /** Of a body that is to be whole. */
    readonly smallBodies: Deadlines;
    /** Of an answer that goes out in pieces, for the next to be taken. */
    readonly untakenAnswers: Deadlines;
  };
}

export interface Call<Query> {
  readonly body: IncomingBody;
  readonly headers: Headers;
  readonly query: Query;
  /** From the path; empty where the path has none. */
  readonly topic: string;
  /** From the path; -1 where the path has none. */
  readonly partition: number;
  /** From the path; empty where the path has none. */
  readonly group: string;
  /** From the path; empty where the path has none. */
  readonly member: string;
  /** The answer's form, already agreed on. */
  readonly form: Form;
  /** Whether `onSent` waits for anything. */
  readonly knowsSent: boolean;
  /** Calls back when the answer has left; at once where the listener does not say. */
  onSent(run: () => void): void;
  /** Fires when the client has gone. Made when it is first asked for, which is not for nothing. */
  readonly signal: AbortSignal;
}

/** What the hot path's few microseconds are spared: queries are few, and the same again. */
const rememberedQueries = 64;
const rememberedLength = 80;

type RegisteredRoute = Parameters<OpenAPIHono["openAPIRegistry"]["registerPath"]>[0];
export type Described = Pick<RegisteredRoute, "summary" | "description" | "tags" | "responses"> & {
  readonly body?: NonNullable<NonNullable<RegisteredRoute["request"]>["body"]>;
  readonly headers?: z.ZodObject;
};

export type Method = "get" | "put" | "post" | "patch" | "delete";

export interface Operation extends Described {
  readonly method: Method;
  /** With {topic} and {partition}, or {group} and {member}. */
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

class RequestCall<Query> implements Call<Query> {
  readonly body: IncomingBody;
  readonly headers: Headers;
  readonly query: Query;
  readonly topic: string;
  readonly partition: number;
  readonly form: Form;
  readonly #param: (name: string) => string | undefined;

  constructor(
    body: IncomingBody,
    query: Query,
    topic: string,
    partition: number,
    form: Form,
    param: (name: string) => string | undefined,
  ) {
    this.body = body;
    this.headers = body.request.headers;
    this.query = query;
    this.topic = topic;
    this.partition = partition;
    this.form = form;
    this.#param = param;
  }

  // Getters: the hot path has neither.
  get group(): string {
    return this.#param("group") ?? "";
  }

  get member(): string {
    return this.#param("member") ?? "";
  }

  get knowsSent(): boolean {
    return this.body.exchange?.onSent !== undefined;
  }

  onSent(run: () => void): void {
    const { exchange } = this.body;
    if (exchange?.onSent === undefined) run();
    else exchange.onSent(run);
  }

  get signal(): AbortSignal {
    return this.body.request.signal;
  }
}

export type Runner = (context: Context<{ Bindings: ExchangeBindings }>) => Promise<Response>;

/** Runs an operation on requests; every refusal becomes a problem document. */
export function runner(one: Operation, face: Face): Runner {
  const readQuery = queryReader(one.query);
  return async (context) => {
    const { raw } = context.req;
    const body = new IncomingBody(raw, context.env?.exchange);
    let topic = "";
    let partition = -1;
    try {
      topic = context.req.param("topic") ?? "";
      const partitionText = context.req.param("partition");
      if (partitionText !== undefined) partition = parseInteger("partition", partitionText, { minimum: 0 });
      const query = readQuery(context);
      const { headers } = raw;
      const form =
        one.forms === undefined ? "json" : acceptedForm(headers.get("accept"), preferring(one.forms, headers));
      const param = (name: string): string | undefined => context.req.param(name);
      const call: Call<unknown> = new RequestCall(body, query, topic, partition, form, param);
      return await one.handle(call as Call<never>);
    } catch (thrown) {
      // Nobody reads this; an error that only says "aborted" is no news either.
      if (raw.signal.aborted) return new Response(null, { status: 499 });
      await body.discard(face);
      logUnforeseen(face, thrown, `${one.method.toUpperCase()} ${one.path}`);
      return problemResponse(thrown, partitionMembers(face.broker, thrown, topic, partition));
    }
  };
}

/** Parses a query by its schema, which is pure: what it gave for a text it gives again. */
function queryReader(schema: z.ZodObject | undefined): (context: Context) => unknown {
  if (schema === undefined) return () => ({});
  const remembered = new Map<string, unknown>();
  return ({ req }) => {
    const { url } = req.raw;
    const at = url.indexOf("?");
    const text = at < 0 ? "" : url.slice(at);
    const known = remembered.get(text);
    if (known !== undefined) return known;
    const query = parseBy(schema, singleValues(at < 0 ? {} : req.queries()), "query");
    if (text.length <= rememberedLength) {
      if (remembered.size >= rememberedQueries) remembered.clear();
      remembered.set(text, query);
    }
    return query;
  };
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
  const given = headers.get("content-type");
  if (given === null) return forms;
  const sent = given.toLowerCase().split(";")[0]?.trim();
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
