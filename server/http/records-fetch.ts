// GET .../records: fetch, in the form that Accept asks for; waits for data when told to.
//
// Owns: where a fetch begins, its bounds, and the headers of those forms that have no room for
//   the three numbers.
// Never: streams (records-stream.ts), or skips: an offset that is gone is an error.

import { z } from "@hono/zod-openapi";
import { type FetchedRecords, MoldauError, type StartPosition } from "../../engine/index.ts";
import { concat } from "./body.ts";
import { defaultFetchBytes, defaultLimit, type FetchQuery, fetchQuery, maxRawBytes } from "./fetch-query.ts";
import { respondHeld } from "./held-answer.ts";
import { fetchHeld } from "./held-fetch.ts";
import { type Form, mediaTypes } from "./media-type.ts";
import { type Call, type Face, type Operation, operation } from "./operation.ts";
import { parseInteger } from "./parameters.ts";
import { invalid } from "./problem.ts";
import { encodeCbor, fetchedCbor, recordCbor } from "./records-cbor.ts";
import { fetchedJson, recordJson } from "./records-json.ts";
import { streamRecords } from "./records-stream.ts";
import { roomWaitMs, waitingForRoom } from "./room.ts";
import { binarySchema, fetchSchema, jsonAndCbor, recordSchema } from "./schemas.ts";

/** A start that retention overtakes is looked up again this often. */
const startAttempts = 3;

const numbers = z.object({
  "Moldau-Log-Start-Offset": z.string().optional(),
  "Moldau-High-Watermark": z.string().optional(),
  "Moldau-Next-Offset": z
    .string()
    .optional()
    .openapi({ description: "Where to go on. On raw, NDJSON and CBOR sequence answers" }),
});

export function fetchOperations(face: Face): Operation[] {
  return [
    operation({
      method: "get",
      path: "/v1/topics/{topic}/partitions/{partition}/records",
      query: fetchQuery,
      forms: ["json", "cbor", "raw", "events", "lines", "cborSequence"],
      tags: ["records"],
      summary: "Fetch, or follow as an event stream",
      description:
        "Follow nextOffset; an empty answer is not the end. Raw batches may begin before the offset asked for.",
      headers: z.object({
        "Last-Event-ID": z.string().optional().openapi({ description: "Resumes an event stream after this offset" }),
      }),
      responses: {
        200: {
          description: "Records",
          headers: numbers,
          content: {
            ...jsonAndCbor(fetchSchema),
            [mediaTypes.raw]: { schema: binarySchema },
            [mediaTypes.events]: { schema: z.string() },
            [mediaTypes.lines]: { schema: recordSchema },
            [mediaTypes.cborSequence]: { schema: binarySchema },
          },
        },
      },
      handle: (call) => fetchRecords(call, face),
    }),
  ];
}

async function fetchRecords(call: Call<FetchQuery>, face: Face): Promise<Response> {
  const start = startOf(call);
  for (let attempt = 1; ; attempt += 1) {
    const offset = await face.broker.resolveOffset(call.topic, call.partition, start);
    try {
      if (call.form === "events") return await streamRecords(call, offset, face);
      if (call.form === "raw") return await fetchRaw(call, offset, face);
      return await fetchDecoded(call, offset, face);
    } catch (thrown) {
      const overtaken =
        typeof start !== "number" && thrown instanceof MoldauError && thrown.code === "OFFSET_OUT_OF_RANGE";
      if (!overtaken || attempt === startAttempts) throw thrown;
    }
  }
}

function startOf({ query, form, headers }: Call<FetchQuery>): StartPosition {
  const lastEventId = form === "events" ? headers.get("last-event-id") : null;
  if (lastEventId !== null && lastEventId !== "")
    return parseInteger("last-event-id", lastEventId, { minimum: 0, maximum: 2 ** 53 - 2 }) + 1;
  if (query.offset !== undefined && query.timestamp !== undefined)
    throw invalid("query: offset and timestamp both say where to begin; give one");
  if (query.timestamp !== undefined) return { timestamp: query.timestamp };
  return query.offset ?? "earliest";
}

/** Batches go out from the pool's own memory, and hold it until they have left. */
async function fetchRaw(call: Call<FetchQuery>, offset: number, face: Face): Promise<Response> {
  const { topic, partition, query } = call;
  const { waitMs = 0 } = query;
  const maxBytes = Math.min(query.maxBytes ?? defaultFetchBytes, maxRawBytes);
  const wanted = [{ topic, partition, offset, maxBytes }];
  const waiting = waitingForRoom(call, waitMs + roomWaitMs, face);
  try {
    const options = { maxBytes, maxWaitMs: waitMs, signal: waiting.signal, pooled: true };
    const [fetched] = await face.broker.fetchBatches(wanted, options);
    if (fetched === undefined)
      throw new MoldauError("UNKNOWN_SERVER_ERROR", "the fetch gave no answer for its partition");
    const { bytes: body, release, error } = fetched;
    if (error !== undefined) {
      release();
      throw error;
    }
    return respondHeld({ contentType: mediaTypes.raw, body, release, headers: numbersOf(fetched) }, call, face);
  } finally {
    waiting.end();
  }
}

async function fetchDecoded(call: Call<FetchQuery>, offset: number, face: Face): Promise<Response> {
  const { topic, partition, query, form } = call;
  const { limit = defaultLimit, maxBytes, waitMs = 0, values = "string" } = query;
  const wanted = { topic, partition, offset, limit, maxBytes, waitMs };
  const { fetched, release } = await fetchHeld(wanted, call, face);
  try {
    const rendered = render(fetched, form, values);
    release(rendered.body.length);
    return respondHeld({ ...rendered, release }, call, face);
  } catch (thrown) {
    release();
    throw thrown;
  }
}

interface Rendered {
  readonly contentType: string;
  readonly body: string | Uint8Array;
  readonly headers?: Record<string, string>;
}

function render(fetched: FetchedRecords, form: Form, values: "string" | "json" | "base64"): Rendered {
  if (form === "json") return { contentType: mediaTypes.json, body: fetchedJson(fetched, values) };
  if (form === "cbor") return { contentType: mediaTypes.cbor, body: fetchedCbor(fetched) };
  if (form === "lines") {
    const lines = fetched.records.map((record) => `${recordJson(record, values)}\n`).join("");
    return { contentType: mediaTypes.lines, body: lines, headers: numbersOf(fetched) };
  }
  const items = fetched.records.map((record) => encodeCbor(recordCbor(record)));
  const bytes = concat(
    items,
    items.reduce((sum, { length }) => sum + length, 0),
  );
  return { contentType: mediaTypes.cborSequence, body: bytes, headers: numbersOf(fetched) };
}

interface Numbers {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly nextOffset: number;
}

function numbersOf({ logStartOffset, highWatermark, nextOffset }: Numbers): Record<string, string> {
  return {
    "moldau-log-start-offset": String(logStartOffset),
    "moldau-high-watermark": String(highWatermark),
    "moldau-next-offset": String(nextOffset),
  };
}
