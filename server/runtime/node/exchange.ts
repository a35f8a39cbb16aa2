// One request under Node as the listener sees it: the body's chunks, and when an answer has left.
//
// Owns: what Node's events mean, for HTTP/1.1 and HTTP/2 alike.
// Never: the Request or the Response; @hono/node-server translates those.

import type { IncomingMessage, ServerResponse } from "node:http";
import { Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { BodyFlow, BodyReader, Exchange } from "../../exchange.ts";

export class NodeExchange implements Exchange {
  readonly #incoming: IncomingMessage | Http2ServerRequest;
  readonly #outgoing: ServerResponse | Http2ServerResponse;

  constructor(incoming: IncomingMessage | Http2ServerRequest, outgoing: ServerResponse | Http2ServerResponse) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
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
    if (outgoing.closed || outgoing.destroyed) queueMicrotask(run);
    else outgoing.once("close", run);
  }
}

function wasReset(incoming: IncomingMessage | Http2ServerRequest): boolean {
  if (!(incoming instanceof Http2ServerRequest)) return !incoming.complete;
  const { stream } = incoming;
  return stream === undefined || stream.aborted || stream.rstCode !== 0;
}
