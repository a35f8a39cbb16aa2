// GET /v1/groups/{group}/records: records of a group's topics, to a member that the server keeps.
//
// Owns: the two ways, and how long the member lives: a stream's as long as the stream, a long poll's
//   from answer to answer.
// Never: the stream itself (group-stream.ts), heartbeats (group-session.ts).
//
// Answers have numbers. The next poll says which one it received: that one is committed; when it says
// the one before, the last was lost on its way, and its records are handed out again.

import { z } from "@hono/zod-openapi";
import { MoldauError, type Release } from "../../engine/index.ts";
import { defaultFetchBytes, defaultLimit } from "./fetch-query.ts";
import { fetchForMember, type GroupRecord } from "./group-fetch.ts";
import { type GroupRecordsQuery, groupRecordsQuery } from "./group-query.ts";
import { groupRecordCbor, groupRecordJson } from "./group-record-forms.ts";
import { groupRecordsSchema } from "./group-schemas.ts";
import type { GroupSession } from "./group-session.ts";
import { streamGroup } from "./group-stream.ts";
import { mediaTypes } from "./media-type.ts";
import { type Call, type Face, type Operation, operation } from "./operation.ts";
import { invalid } from "./problem.ts";
import { encodeCbor, wholeCbor } from "./records-cbor.ts";
import { respond } from "./respond.ts";
import { jsonAndCbor } from "./schemas.ts";

const defaultSessionMs = 60_000;
/** A client that has hung up in the middle of a poll may come back so long. */
const hungUpMs = 5000;

export function groupRecordsOperations(face: Face): Operation[] {
  return [
    operation({
      method: "get",
      path: "/v1/groups/{group}/records",
      query: groupRecordsQuery,
      forms: ["json", "cbor", "events"],
      tags: ["groups"],
      summary: "Read as a member of a group: long polls, or an event stream",
      description:
        "Without memberId a new member joins. A poll with memberId and after commits the answer of that number; a stream is committed by POST .../offsets with its memberId.",
      responses: {
        200: {
          description: "Records of the partitions that the member has",
          content: { ...jsonAndCbor(groupRecordsSchema), [mediaTypes.events]: { schema: z.string() } },
        },
      },
      handle: (call) => readAsMember(call, face),
    }),
  ];
}

async function readAsMember(call: Call<GroupRecordsQuery>, face: Face): Promise<Response> {
  const { query, form } = call;
  // Whoever looks at the head alone joins nothing.
  if (call.body.request.method === "HEAD") return respond(200, mediaTypes[form], null);
  if (query.memberId === undefined) {
    if (query.after !== undefined) throw invalid("query: after belongs to a memberId");
    if (form === "events") refuseOfStream(query);
    const session = await join(call, face);
    if (form === "events") return streamGroup(call, session, face);
    const poller = new Poller(session, face);
    pollers.set(session, poller);
    return poller.poll(call, 0);
  }
  if (form === "events") throw invalid("query: a stream has a member of its own: leave memberId out");
  if (query.after === undefined) throw invalid("query: after is missing: the number of the answer that was received");
  if (query.offset !== undefined) throw invalid("query: offset is the join's: with memberId it comes too late");
  const session = face.sessions.find(call.group, query.memberId);
  const poller = session === undefined ? undefined : pollers.get(session);
  if (session === undefined || poller === undefined) {
    const words = `group '${call.group}' has no member '${query.memberId}' that polls: join again, without memberId`;
    throw new MoldauError("UNKNOWN_MEMBER_ID", words);
  }
  if (query.topics !== undefined && query.topics.join() !== session.topics.join())
    throw invalid(`query: the member's topics are ${session.topics.join()}; another subscription is another member's`);
  return poller.poll(call, query.after);
}

/** What would do nothing. */
function refuseOfStream({ limit, waitMs, sessionMs }: GroupRecordsQuery): void {
  for (const [name, value] of Object.entries({ limit, waitMs, sessionMs }))
    if (value !== undefined) throw invalid(`query: ${name} is a long poll's; a stream ends when its client ends it`);
}

async function join({ group, query, signal }: Call<GroupRecordsQuery>, face: Face): Promise<GroupSession> {
  if (query.topics === undefined) throw invalid("query: topics is missing: what the member is to read");
  // A mistyped name would be waited for in silence.
  for (const topic of query.topics) face.broker.describeTopic(topic);
  const session = await face.sessions.join({ group, topics: query.topics, reset: query.offset ?? "earliest" });
  if (signal.aborted) await session.end(gone());
  signal.throwIfAborted();
  return session;
}

const pollers: WeakMap<GroupSession, Poller> = new WeakMap();

/** One member's polls, one at a time. */
class Poller {
  readonly #session: GroupSession;
  readonly #face: Face;
  #lastAcked = 0;
  #lastSent = 0;
  #current: { readonly abort: AbortController; readonly over: Promise<void> } | null = null;

  constructor(session: GroupSession, face: Face) {
    this.#session = session;
    this.#face = face;
  }

  async poll(call: Call<GroupRecordsQuery>, after: number): Promise<Response> {
    this.#session.endAfter(null, gone());
    const abort = new AbortController();
    const before = this.#current;
    let end = (): void => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#current = { abort, over };
    const { signal } = call;
    const hangUp = (): void => abort.abort(signal.reason);
    if (signal.aborted) hangUp();
    signal.addEventListener("abort", hangUp, { once: true });
    try {
      // It hung up and nobody has heard of it yet, or there are two where one should be.
      before?.abort.abort(new MoldauError("REBALANCE_IN_PROGRESS", "another poll of the same member has come"));
      await before?.over;
      return await this.#poll(call, after, abort.signal);
    } finally {
      signal.removeEventListener("abort", hangUp);
      end();
      if (this.#current?.abort === abort) {
        this.#current = null;
        this.#session.endAfter(signal.aborted ? hungUpMs : (call.query.sessionMs ?? defaultSessionMs), gone());
      }
    }
  }

  async #poll(call: Call<GroupRecordsQuery>, after: number, signal: AbortSignal): Promise<Response> {
    const session = this.#session;
    signal.throwIfAborted();
    await this.#received(after);
    const { limit = defaultLimit, maxBytes = defaultFetchBytes, waitMs = 0 } = call.query;
    const deadline = this.#face.clock.monotonic() + waitMs;
    this.#lastSent += 1;
    for (;;) {
      const leftMs = Math.max(0, deadline - this.#face.clock.monotonic());
      const wanted = { limit, maxBytes, waitMs: leftMs };
      const { records, release } = await fetchForMember(session, wanted, { signal }, this.#face);
      // Something has changed in the group, which is not what the client waits for.
      if (records.length === 0 && leftMs > 0) {
        release();
        continue;
      }
      return this.#answer(call, records, release);
    }
  }

  async #received(after: number): Promise<void> {
    if (after === this.#lastSent) await this.#session.acknowledge();
    else if (after === this.#lastAcked) this.#session.rewind();
    else {
      const known = [...new Set([this.#lastAcked, this.#lastSent])].join(" or ");
      throw new MoldauError("STALE_MEMBER_EPOCH", `after is ${after}, but the member's last answer is ${known}`);
    }
    this.#lastAcked = after;
  }

  #answer(call: Call<GroupRecordsQuery>, records: readonly GroupRecord[], release: Release): Response {
    try {
      const { memberId, memberEpoch, assignment, lag } = this.#session;
      const answer = this.#lastSent;
      const head = { memberId, memberEpoch, assignment, answer, lag, next: nextOf(call, memberId, answer) };
      const { form, query } = call;
      const { values = "string" } = query;
      const body =
        form === "cbor"
          ? encodeCbor({ ...head, lag: wholeCbor(lag), records: records.map(groupRecordCbor) })
          : `${JSON.stringify(head).slice(0, -1)},"records":[${records.map((one) => groupRecordJson(one, values)).join(",")}]}`;
      release(body.length);
      call.onSent(release);
      return respond(200, mediaTypes[form], body);
    } catch (thrown) {
      release();
      throw thrown;
    }
  }
}

/** The whole next request, as a path. */
function nextOf({ group, query }: Call<GroupRecordsQuery>, memberId: string, answer: number): string {
  const { limit, maxBytes, waitMs, sessionMs, values } = query;
  const kept = Object.entries({ limit, maxBytes, waitMs, sessionMs, values })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `&${name}=${value}`)
    .join("");
  const member = encodeURIComponent(memberId);
  return `/v1/groups/${encodeURIComponent(group)}/records?memberId=${member}&after=${answer}${kept}`;
}

function gone(): MoldauError {
  return new MoldauError("UNKNOWN_MEMBER_ID", "the member has left: its client did not come back; join again");
}
