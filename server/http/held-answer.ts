// An answer whose bytes hold memory of a budget until they have left.
//
// Where the listener says when that is, the answer goes out whole. Where it does not, a client that
// takes nothing would leave us with no sign of it; there the answer is a stream of copied pieces,
// each made when the last one was taken.
//
// Owns: the memory's release, whatever becomes of the answer; and the end of an answer of which
//   nothing is taken for long, where it is a stream.
// Never: reads what it holds after the release.
//
// Invariant: beside what is held there is one piece an answer.

import { MoldauError, type Release } from "../../engine/index.ts";
import type { Deadline } from "./deadlines.ts";
import type { Call, Face } from "./operation.ts";
import { respond } from "./respond.ts";

/** A stalled client has this much beside what is held; larger pieces made nothing faster. Bytes. */
const pieceBytes = 64 * 1024;
/** An answer of which no piece is taken for so long is given up. Milliseconds. */
export const untakenMs: number = 30_000;

const encoder = new TextEncoder();

export interface HeldAnswer {
  readonly contentType: string;
  /** Bytes may lie in memory that ends with `release`. */
  readonly body: string | Uint8Array;
  readonly release: Release;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export function respondHeld(
  { contentType, body, release, headers = {} }: HeldAnswer,
  call: Call<unknown>,
  face: Face,
): Response {
  if (call.knowsSent) {
    call.onSent(release);
    return respond(200, contentType, body, headers);
  }
  // HEAD's body is neither pulled nor cancelled. A Response copies what it is given, an adapter's own may not.
  if (body.length <= pieceBytes || call.body.request.method === "HEAD") {
    const own = typeof body === "string" ? body : copied(body);
    release();
    return respond(200, contentType, own, headers);
  }
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const stream = new ReadableStream<Uint8Array>(new Pieces(bytes, release, face), { highWaterMark: 0 });
  return respond(200, contentType, stream, { ...headers, "content-length": String(bytes.length) });
}

class Pieces {
  #rest: Uint8Array | null;
  readonly #release: Release;
  readonly #face: Face;
  #deadline: Deadline | null = null;

  constructor(bytes: Uint8Array, release: Release, face: Face) {
    this.#rest = bytes;
    this.#release = release;
    this.#face = face;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#deadline = this.#face.deadlines.untakenAnswers.begin(() => {
      this.cancel();
      controller.error(new MoldauError("REQUEST_TIMED_OUT", `nothing was taken for ${untakenMs / 1000} s`));
    });
  }

  pull(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const rest = this.#rest;
    if (rest === null) return;
    controller.enqueue(copied(rest.subarray(0, pieceBytes)));
    if (rest.length > pieceBytes) {
      this.#rest = rest.subarray(pieceBytes);
      this.#deadline?.renew();
    } else {
      this.cancel();
      controller.close();
    }
  }

  cancel(): void {
    this.#rest = null;
    this.#deadline?.end();
    this.#release();
  }
}

/** `slice` of a Buffer would be a view. */
function copied(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
