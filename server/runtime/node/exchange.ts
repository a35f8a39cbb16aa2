// One request under Node as the listener sees it: the body's chunks, and when an answer has left.
//
// Owns: what Node's events mean, for HTTP/1.1 and HTTP/2 alike.
// Never: the Request or the Response; @hono/node-server translates those.

import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, Http2ServerRequest, type Http2ServerResponse, type Http2Session } from "node:http2";
import type { BodyFlow, BodyReader, Exchange } from "../../exchange.ts";
import type { StalledAnswers } from "./stalled-answers.ts";

export type NodeIncoming = IncomingMessage | Http2ServerRequest;
export type NodeOutgoing = ServerResponse | Http2ServerResponse;

/** A peer that answers no ping for so long is gone. Milliseconds. */
const pingMs = 10_000;

export class NodeExchange implements Exchange {
  readonly #incoming: NodeIncoming;
  readonly #outgoing: NodeOutgoing;
  readonly #stalled: StalledAnswers;
  readonly #noteBytes: (sizeBytes: number) => void;

  /** `noteBytes` is told of all bytes of bodies as they come. */
  constructor(
    incoming: NodeIncoming,
    outgoing: NodeOutgoing,
    stalled: StalledAnswers,
    noteBytes: (sizeBytes: number) => void,
  ) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#stalled = stalled;
    this.#noteBytes = noteBytes;
  }

  readBody(reader: BodyReader): BodyFlow {
    const incoming = this.#incoming;
    let isOver = false;
    const broken = (): void => {
      if (isOver) return;
      isOver = true;
      reader.broken();
    };
    incoming.on("data", (chunk: Buffer) => {
      this.#noteBytes(chunk.length);
      if (!isOver && chunk.length > 0) reader.chunk(chunk);
    });
    incoming.on("end", () => {
      // A stream that was reset ends as if its body had been whole.
      if (isOver || wasReset(incoming)) return broken();
      isOver = true;
      reader.end();
    });
    incoming.on("error", broken);
    incoming.on("close", broken);
    // Its events have passed already.
    if (incoming.destroyed) queueMicrotask(broken);
    return incoming;
  }

  onSent(run: () => void): void {
    const outgoing = this.#outgoing;
    if ("stream" in outgoing) {
      const { stream } = outgoing;
      if (stream === undefined || stream.destroyed) return queueMicrotask(run);
      // Taken now: a stream that is closed has none any more.
      const { session } = stream;
      const unwatch = this.#stalled.watch({
        pendingBytes: () => stream.writableLength,
        cut: () => stream.close(constants.NGHTTP2_CANCEL),
      });
      stream.once("close", () => {
        unwatch();
        if (stream.writableFinished) run();
        else afterQueued(session, run);
      });
    } else {
      if (outgoing.destroyed || outgoing.closed) return queueMicrotask(run);
      const unwatch = this.#stalled.watch({
        // Without a socket it waits behind another answer: its client cannot take it yet.
        pendingBytes: () => (outgoing.socket === null ? 0 : outgoing.writableLength),
        cut: () => outgoing.destroy(),
      });
      outgoing.once("close", () => {
        unwatch();
        run();
      });
    }
  }
}

/** Sessions whose peer is asked for a sign, and what waits for it. */
const asked = new WeakMap<Http2Session, (() => void)[]>();

/**
 * Runs once nothing that a session has queued before can still be sent: a stream that was reset
 * may have left a frame behind, which points to the answer's own bytes.
 */
function afterQueued(session: Http2Session | undefined, run: () => void): void {
  if (session === undefined || session.destroyed) return void setImmediate(run);
  const waiting = asked.get(session);
  if (waiting !== undefined) return void waiting.push(run);
  const next: (() => void)[] = [];
  asked.set(session, next);
  const late = setTimeout(() => session.destroy(), pingMs);
  const answered = (): void => {
    clearTimeout(late);
    asked.delete(session);
    run();
    // They came after the question: they need one of their own.
    for (const another of next) afterQueued(session, another);
  };
  // The answer follows our question, and the question all that was queued before it.
  if (!session.ping(answered)) session.once("close", answered);
}

function wasReset(incoming: NodeIncoming): boolean {
  if (!(incoming instanceof Http2ServerRequest)) return !incoming.complete;
  const { stream } = incoming;
  return stream === undefined || stream.aborted || stream.rstCode !== 0;
}
