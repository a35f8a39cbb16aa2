// A member's records as server-sent events, for as long as its client stays.
//
// Owns: the events: `assignment` at first and whenever the member's partitions or epoch change, a record
//   each in between, comments as heartbeats, and `error` before the close.
// Never: commits: the client does, by POST .../offsets with the memberId. There are no ids to resume by,
//   since where the group is it knows itself.
//
// Invariants: nothing is read ahead of the client; when it goes, its member leaves.

import { MoldauError, type Release } from "../../engine/index.ts";
import { defaultFetchBytes } from "./fetch-query.ts";
import { fetchForMember, type GroupRecord } from "./group-fetch.ts";
import type { GroupRecordsQuery } from "./group-query.ts";
import { groupRecordJson } from "./group-record-forms.ts";
import type { GroupSession } from "./group-session.ts";
import { mediaTypes } from "./media-type.ts";
import { type Call, type Face, logUnforeseen } from "./operation.ts";
import { problemOf } from "./problem.ts";
import { respond } from "./respond.ts";

/** Records a chunk: few enough to be written at once. */
const chunkRecords = 1000;
/** What a browser waits before it comes back, as a new member. */
const retryMs = 1000;
const encoder = new TextEncoder();

export function streamGroup(call: Call<GroupRecordsQuery>, session: GroupSession, face: Face): Response {
  const stream = new GroupStream(call, session, face);
  if (call.knowsSent) call.onSent(() => stream.cancel());
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(encoder.encode(`retry: ${retryMs}\n\n${stream.assignment()}`)),
      pull: (controller) => stream.pull(controller),
      cancel: () => stream.cancel(),
    },
    // Pulled when the last piece was taken: what a piece holds is given back then.
    { highWaterMark: 0 },
  );
  return respond(200, mediaTypes.events, body, { "x-accel-buffering": "no" });
}

class GroupStream {
  readonly #call: Call<GroupRecordsQuery>;
  readonly #session: GroupSession;
  readonly #face: Face;
  readonly #gone: AbortController = new AbortController();
  #said = "";
  #release: Release = () => {};

  constructor(call: Call<GroupRecordsQuery>, session: GroupSession, face: Face) {
    this.#call = call;
    this.#session = session;
    this.#face = face;
    if (call.signal.aborted) this.cancel();
    else call.signal.addEventListener("abort", () => this.cancel(), { once: true });
  }

  cancel(): void {
    this.#gone.abort();
    this.#release();
    void this.#session.end(new MoldauError("UNKNOWN_MEMBER_ID", "the stream of this member has ended: join again"));
  }

  /** Nothing when the client knows. */
  assignment(): string {
    const { memberId, memberEpoch, assignment } = this.#session;
    const data = JSON.stringify({ memberId, memberEpoch, assignment });
    if (data === this.#said) return "";
    this.#said = data;
    return `event: assignment\ndata: ${data}\n\n`;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#release();
    try {
      controller.enqueue(encoder.encode(await this.#next()));
    } catch (thrown) {
      if (this.#gone.signal.aborted) return closeQuietly(controller);
      logUnforeseen(this.#face, thrown, "a group's event stream");
      controller.enqueue(encoder.encode(`event: error\ndata: ${JSON.stringify(problemOf(thrown))}\n\n`));
      controller.close();
      this.cancel();
    }
  }

  async #next(): Promise<string> {
    const { clock, heartbeatMs } = this.#face;
    const { maxBytes = defaultFetchBytes } = this.#call.query;
    const deadline = clock.monotonic() + heartbeatMs;
    for (;;) {
      const waitMs = Math.max(0, deadline - clock.monotonic());
      const wanted = { limit: chunkRecords, maxBytes, waitMs };
      const { records, release } = await fetchForMember(this.#session, wanted, this.#gone, this.#face);
      this.#release = release;
      if (this.#gone.signal.aborted) release();
      const text = this.assignment() + this.#events(records);
      release(text.length);
      if (text !== "") return text;
      release();
      if (waitMs <= 0) return ": heartbeat\n\n";
    }
  }

  #events(records: readonly GroupRecord[]): string {
    const values = this.#call.query.values ?? "string";
    return records.map((one) => `data: ${groupRecordJson(one, values)}\n\n`).join("");
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
