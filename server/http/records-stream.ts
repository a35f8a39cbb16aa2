// The live tail as server-sent events (HTML Living Standard, 9.2).
//
// Owns: events and heartbeats. Each event's id is its offset, so that Last-Event-ID resumes.
// Never: reads ahead of its client: the next fetch begins when the last one's bytes are taken.
//
// Invariants: an error that comes first is a problem with its status, a later one an event before
//   the close; when the client goes, the waiting fetch ends.

import type { FetchedRecords, Release } from "../../engine/index.ts";
import type { FetchQuery } from "./fetch-query.ts";
import { fetchHeld } from "./held-fetch.ts";
import { mediaTypes } from "./media-type.ts";
import { type Call, type Face, logUnforeseen, partitionMembers } from "./operation.ts";
import { problemOf } from "./problem.ts";
import { recordJson } from "./records-json.ts";
import { respond } from "./respond.ts";

/** Records a chunk: few enough to be written at once. */
const chunkRecords = 1000;
/** What the client waits before it comes back. */
const retryMs = 1000;
const encoder = new TextEncoder();

export async function streamRecords(call: Call<FetchQuery>, offset: number, face: Face): Promise<Response> {
  const tail = new Tail(call, offset, face);
  const opening = `retry: ${retryMs}\n\n${await tail.first()}`;
  // Its body is neither pulled nor cancelled, and what the first piece holds would never come back.
  if (call.body.request.method === "HEAD") tail.cancel();
  else if (call.knowsSent) call.onSent(() => tail.cancel());
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode(opening)),
      pull: (controller) => tail.pull(controller),
      cancel: () => tail.cancel(),
    },
    // Pulled when the last piece was taken: what a piece holds is given back then.
    { highWaterMark: 0 },
  );
  return respond(200, mediaTypes.events, body, { "x-accel-buffering": "no" });
}

class Tail {
  readonly #call: Call<FetchQuery>;
  readonly #face: Face;
  readonly #gone: AbortController = new AbortController();
  #nextOffset: number;
  #left: number;
  #release: Release = () => {};

  constructor(call: Call<FetchQuery>, offset: number, face: Face) {
    this.#call = call;
    this.#face = face;
    this.#nextOffset = offset;
    this.#left = call.query.limit ?? Number.POSITIVE_INFINITY;
    if (call.signal.aborted) this.cancel();
    else call.signal.addEventListener("abort", () => this.cancel(), { once: true });
  }

  /** What is there already; its errors are the request's. */
  async first(): Promise<string> {
    return this.#events(await this.#fetch(0));
  }

  cancel(): void {
    this.#gone.abort();
    this.#release();
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#release();
    try {
      if (this.#left <= 0) return controller.close();
      let text = "";
      let before: number;
      do {
        before = this.#nextOffset;
        text = this.#events(await this.#fetch(this.#face.heartbeatMs));
        // Batches without records for us move on without an event.
      } while (text === "" && this.#nextOffset > before);
      controller.enqueue(encoder.encode(text === "" ? ": heartbeat\n\n" : text));
    } catch (thrown) {
      if (this.#gone.signal.aborted) return closeQuietly(controller);
      controller.enqueue(encoder.encode(this.#errorEvent(thrown)));
      controller.close();
    }
  }

  async #fetch(maxWaitMs: number): Promise<FetchedRecords> {
    const { topic, partition, query } = this.#call;
    const wanted = {
      ...{ topic, partition, offset: this.#nextOffset },
      limit: Math.min(chunkRecords, this.#left),
      maxBytes: query.maxBytes,
      waitMs: maxWaitMs,
    };
    const { fetched, release } = await fetchHeld(wanted, this.#gone, this.#face);
    this.#release = release;
    if (this.#gone.signal.aborted) release();
    this.#nextOffset = fetched.nextOffset;
    this.#left -= fetched.records.length;
    return fetched;
  }

  #events({ records }: FetchedRecords): string {
    const values = this.#call.query.values ?? "string";
    const text = records.map((record) => `id: ${record.offset}\ndata: ${recordJson(record, values)}\n\n`).join("");
    this.#release(text.length);
    return text;
  }

  #errorEvent(thrown: unknown): string {
    const { topic, partition } = this.#call;
    logUnforeseen(this.#face, thrown, "an event stream");
    const problem = problemOf(thrown, partitionMembers(this.#face.broker, thrown, topic, partition));
    return `event: error\ndata: ${JSON.stringify(problem)}\n\n`;
  }
}

/** A stream that its client cancelled is closed already. */
function closeQuietly(controller: ReadableStreamDefaultController<Uint8Array>): void {
  try {
    controller.close();
  } catch {
    // as wanted
  }
}
