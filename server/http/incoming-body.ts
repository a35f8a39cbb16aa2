// A request's body on its way in: the listener's own where it hands one over, else the Request's.
//
// Owns: whether somebody has begun to read it, and reading past what nobody wants.
// Never: keeps a byte.
//
// Invariants: it is begun once; whoever reads it is called back later, never at once.

import type { BodyFlow, BodyReader, Exchange } from "../exchange.ts";
import type { Face } from "./operation.ts";

/** How long a refused body is read past, and how long a pause in it may be. Milliseconds. */
const discardMs = 5000;
const discardIdleMs = 250;
/** What waits for its reader before the sender is held up. Bytes. */
const waitingBytes = 64 * 1024;

export class IncomingBody {
  readonly request: Request;
  readonly exchange: Exchange | undefined;
  #begun = false;

  constructor(request: Request, exchange: Exchange | undefined) {
    this.request = request;
    this.exchange = exchange;
  }

  /** Whether the bytes come as the socket gave them. */
  get isDirect(): boolean {
    return this.exchange?.readBody !== undefined;
  }

  /** There is none, as far as the Request can say. */
  get isAbsent(): boolean {
    return !this.isDirect && this.request.body === null;
  }

  read(reader: BodyReader): BodyFlow {
    this.#begun = true;
    return this.exchange?.readBody?.(reader) ?? readWeb(this.request.body, reader);
  }

  /** At once, by the runtime's own means. */
  arrayBuffer(): Promise<ArrayBuffer> {
    this.#begun = true;
    return this.request.arrayBuffer();
  }

  /**
   * Reads past a body that nobody has begun to read, within limits: what is left unread costs the
   * client its connection on some runtimes, and its answer when it writes into a closed one.
   */
  async discard(face: Face): Promise<void> {
    const { method } = this.request;
    if (this.#begun || method === "GET" || method === "HEAD") return;
    const discarding = new Discarding(face);
    await discarding.from(this.read(discarding));
  }
}

/** Reads past bytes; over at the end, after a pause, or when it has been enough. */
export class Discarding implements BodyReader {
  readonly #clock: Face["clock"];
  readonly #done: Promise<void>;
  #finish: () => void = () => {};
  #unschedule: () => void = () => {};
  #leftBytes: number;
  readonly #endMs: number;

  constructor({ clock, maxRequestBytes }: Face) {
    this.#clock = clock;
    this.#leftBytes = 2 * maxRequestBytes;
    this.#endMs = clock.monotonic() + discardMs;
    this.#done = new Promise((resolve) => {
      this.#finish = () => {
        this.#unschedule();
        resolve();
      };
    });
    this.#awaitMore();
  }

  /** Resolves when it is over; then nothing more is read. */
  async from(flow: BodyFlow): Promise<void> {
    flow.resume();
    await this.#done;
    // Not cancelled: that would cut the connection before the answer is out.
    flow.pause();
  }

  chunk({ length }: Uint8Array): void {
    this.#leftBytes -= length;
    if (this.#leftBytes <= 0 || this.#clock.monotonic() >= this.#endMs) this.#finish();
    else this.#awaitMore();
  }

  end(): void {
    this.#finish();
  }

  broken(): void {
    this.#finish();
  }

  #awaitMore(): void {
    this.#unschedule();
    this.#unschedule = this.#clock.schedule(discardIdleMs, this.#finish);
  }
}

/** A body pulled piece by piece, by one reader. */
export class PulledBody implements BodyReader {
  readonly #flow: BodyFlow;
  #chunks: Uint8Array[] = [];
  #sizeBytes = 0;
  #state: "open" | "ended" | "broken" = "open";
  #wake: () => void = () => {};

  constructor(body: IncomingBody) {
    this.#flow = body.read(this);
  }

  /** What has come since the last time, at least one piece; null at the end. Rejects when it broke off. */
  async next(): Promise<Uint8Array[] | null> {
    while (this.#chunks.length === 0) {
      if (this.#state === "ended") return null;
      if (this.#state === "broken") throw new Error("the body broke off");
      this.#flow.resume();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#sizeBytes = 0;
    return chunks;
  }

  /** Nobody will read on: what is awaited ends. */
  leave(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#chunks = [];
    this.#flow.pause();
    this.#wake();
  }

  chunk(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#chunks.push(bytes);
    this.#sizeBytes += bytes.length;
    if (this.#sizeBytes >= waitingBytes) this.#flow.pause();
    this.#wake();
  }

  end(): void {
    if (this.#state === "open") this.#state = "ended";
    this.#wake();
  }

  broken(): void {
    if (this.#state === "open") this.#state = "broken";
    this.#wake();
  }
}

function readWeb(stream: ReadableStream<Uint8Array> | null, to: BodyReader): BodyFlow {
  let wake = (): void => {};
  let paused = false;
  const run = async (): Promise<void> => {
    const reader = stream?.getReader();
    for (;;) {
      let piece: Uint8Array | undefined;
      try {
        piece = (await reader?.read())?.value;
      } catch {
        return to.broken();
      }
      if (piece === undefined) return to.end();
      if (piece.length > 0) to.chunk(piece);
      while (paused) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  };
  void run();
  return {
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      wake();
    },
  };
}
