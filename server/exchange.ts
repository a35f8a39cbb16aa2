// What a listener may hand to a face beside the web's Request: the body as it came from the
// socket, and a sign that an answer has left.
//
// Owns: the contract: types only. server/runtime keeps it, server/http uses it, and does without
//   it where a runtime has none of it, or an embedder calls `fetch` with a Request alone.
// Never: an implementation.

/** Takes a body piece by piece; nothing is called after `end` or `broken`. */
export interface BodyReader {
  /** As it came; the reader's own from now on. Never empty. */
  chunk(bytes: Uint8Array): void;
  /** The body is whole. */
  end(): void;
  /** It will never be whole. */
  broken(): void;
}

/** Until resumed, what comes stays with the connection, whose flow control slows the sender. */
export interface BodyFlow {
  pause(): void;
  resume(): void;
}

/** One request and its answer, as the listener sees them. */
export interface Exchange {
  /** Begins to read, once at most, and never within this call. Whoever reads so leaves the Request's own body alone. */
  readonly readBody?: (reader: BodyReader) => BodyFlow;
  /**
   * Calls back once: when the answer's last byte is with the system, or when none of it can be sent
   * any more, so that its memory may be used again. A client that takes nothing for long is cut.
   */
  readonly onSent?: (run: () => void) => void;
}

/** What a face finds in its second argument; others' second arguments have no such member. */
export interface ExchangeBindings {
  readonly exchange?: Exchange;
}
