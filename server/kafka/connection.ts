// One client's connection: bytes in, bytes out, no socket.
//
// Owns: how many requests are in hand at once and how many bytes they and their answers hold; that
//   answers leave in the order of the requests; what becomes of a connection on which something
//   came that cannot be answered.
// Never: knows an API but ApiVersions (handler.ts), or a runtime: `Wire` is what a listener provides.
//
// Invariants: beyond its bounds it reads no more, and goes on where it was; nothing is written
//   while the wire is full; every `onSent` is called once, whether or not the answer could leave;
//   once it has ended nothing is read, handled or written.

import {
  type Broker,
  type Budget,
  type Clock,
  type Logger,
  limits,
  MoldauError,
  toMoldauError,
} from "../../engine/index.ts";
import type { ServedApis } from "./api-versions.ts";
import { malformed } from "./codec/malformed.ts";
import { errorAnswer } from "./error-answer.ts";
import { kafkaErrorCode, kafkaErrors } from "./errors.ts";
import { type Frame, FrameSplitter } from "./frame.ts";
import { FrameWatch } from "./frame-watch.ts";
import type { AnyHandler, Client, RequestContext } from "./handler.ts";
import { apiVersions } from "./schema/api-versions.ts";
import { isKnownVersion, peekRequest, type RequestHeader, readRequest, writeResponse } from "./schema/codec.ts";
import type { ApiDefinition, ResponseOf } from "./schema/notation.ts";

/** What a listener provides. None of it is called after `end`, nor within a call of the listener's to `closed`. */
export interface Wire {
  /**
   * Takes chunks to send, whose memory is lent until it calls `sent`: once, when the last byte has
   * left or never will. False when it holds enough: there is no further `write` before `drained`.
   */
  write(chunks: readonly Uint8Array[], sent: () => void): boolean;
  /** Reads no more until `resume`. What was on its way may still be handed over. */
  pause(): void;
  resume(): void;
  /** Closes it, once what was written has left. */
  end(): void;
}

export interface ConnectionOptions {
  readonly apis: ServedApis;
  readonly wire: Wire;
  readonly client: Client;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Where a request's bytes are reserved before they are gathered: the broker has it for all its faces. */
  readonly budget: Pick<Broker, "reserve" | "tryReserve">;
  /** Where what requests become when they are decoded is reserved, of all connections. None waits for `budget` that holds of it. */
  readonly decoded: Pick<Budget, "reserve" | "tryReserve">;
  /** Of all connections: one that has answers under way is not read while there is no room. */
  readonly answers: AnswerRoom;
  /** A larger request ends the connection. limits.inFlightBytes. */
  readonly maxFrameBytes?: number;
  /** Requests read and not answered yet. 64. */
  readonly maxRequests?: number;
  /** Of these, and of answers that wait for their turn; one request may always be in hand. 16 MiB. */
  readonly maxBytes?: number;
  /** A request of which so long fewer than 256 KiB came ends the connection. 30 000. */
  readonly stalledMs?: number;
  /** Somebody waits for what requests hold: a large one that comes slowly then ends the connection. Nobody ever. */
  readonly isMemoryAwaited?: () => boolean;
}

/** What answers hold until they have left, of those whose clients do not take them as well. */
export interface AnswerRoom {
  readonly totalBytes: number;
  /** May pass the total: one answer a connection is made in any case, and how long it is is known then only. */
  usedBytes: number;
}

/** What an element of a decoded request takes in memory, with what handlers note of it. Bytes, measured. */
const elementBytes = 256;
/** A frame that is no larger needs no room when it is its connection's only one: heartbeats come through. Bytes. */
const freeFrameBytes = 512;
/** So many are not counted: what most clients send never waits for those who send much. */
const freeElements = 16;

/**
 * A request in hand, or its answer that waits for those before it. A class: objects made by a literal that often outlive
 * a young collection are put among V8's old ones, each with its request, and collected with everything only.
 */
class Slot {
  /** The request's, then the answer's. Bytes. */
  heldBytes: number;
  release: () => void;
  readonly onSent: (() => void)[] = [];
  /** Null while it is in hand, empty when there is no answer. */
  answer: readonly Uint8Array[] | null = null;
  /** Nothing can be said from here on. */
  isFatal: boolean;
  /** Ends what the request waits for; null: it waits for nothing. */
  abort: AbortController | null = null;

  constructor(heldBytes: number, release: () => void, isFatal: boolean = false) {
    this.heldBytes = heldBytes;
    this.release = release;
    this.isFatal = isFatal;
  }
}

/** What a handler is told; the signal is made for those who ask. */
class Context implements RequestContext {
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly client: Client;
  readonly #slot: Slot;
  readonly #signalOf: (slot: Slot) => AbortSignal;

  constructor(header: RequestHeader, client: Client, slot: Slot, signalOf: (slot: Slot) => AbortSignal) {
    this.version = header.apiVersion;
    this.correlationId = header.correlationId;
    this.clientId = header.clientId;
    this.client = client;
    this.#slot = slot;
    this.#signalOf = signalOf;
  }

  get signal(): AbortSignal {
    return this.#signalOf(this.#slot);
  }

  /** Handlers take it off the context. */
  readonly onSent = (run: () => void): void => void this.#slot.onSent.push(run);
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #splitter: FrameSplitter;
  readonly #maxRequests: number;
  readonly #maxBytes: number;
  readonly #abort: AbortController = new AbortController();
  readonly #slots: Slot[] = [];
  #heldBytes = 0;
  /** Of answers that were made and have not left. */
  #unsentBytes = 0;
  /** "ending": what is in hand is answered, and nothing more is read. */
  #state: "open" | "ending" | "ended" = "open";
  #isPaused = false;
  #isFull = false;
  /** For the frame that is coming; null: not reserved. */
  #release: (() => void) | null = null;
  #isReserving = false;
  /** A request waits for room to be decoded in: those behind it may not be handled before it. */
  #isDecoding = false;
  #isReading = false;
  #receivedBytes = 0;
  readonly #watch: FrameWatch;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#splitter = new FrameSplitter(options.maxFrameBytes ?? limits.inFlightBytes);
    this.#maxRequests = options.maxRequests ?? 64;
    this.#maxBytes = options.maxBytes ?? 16 * 1024 * 1024;
    this.#watch = new FrameWatch({
      clock: options.clock,
      stalledMs: options.stalledMs ?? 30_000,
      isMemoryAwaited: options.isMemoryAwaited ?? (() => false),
      receivedBytes: () => this.#receivedBytes,
      isPaused: () => this.#isPaused,
      giveUp: (reason) => this.#refuse(reason),
    });
  }

  /** Read and not answered yet: a connection with none of them is idle. */
  get requests(): number {
    return this.#slots.length;
  }

  /** What came; the connection's own from now on. */
  receive(chunk: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#receivedBytes += chunk.length;
    this.#splitter.push(chunk);
    this.#read();
  }

  /** The wire has room again. */
  drained(): void {
    this.#isFull = false;
    this.#flush();
  }

  /** The wire is gone, or is to go at once: what is in hand is for nobody. Idempotent. */
  closed(): void {
    if (this.#state !== "ended") this.#stop();
  }

  /** Reads no more, ends all waits, answers what is in hand, and ends the wire then. Idempotent. */
  finish(): void {
    if (this.#state !== "open") return;
    this.#beginEnd();
    this.#flush();
  }

  /** Takes one request after another off what came, as far as the bounds let it. */
  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#state === "open" && this.#readOne());
    } catch (error) {
      this.#refuse(toMoldauError(error).message);
    }
    this.#isReading = false;
  }

  /** False when it has to wait: for bytes, for room, or for the budget. */
  #readOne(): boolean {
    if (this.#isDecoding) {
      this.#pause(true);
      return false;
    }
    const sizeBytes = this.#splitter.peekSize();
    const isBlocked = sizeBytes !== null && (this.#isAtBounds(sizeBytes) || !this.#isReserved(sizeBytes));
    const frame = isBlocked ? null : this.#splitter.next();
    this.#pause(isBlocked);
    if (frame === null) {
      if (this.#splitter.heldBytes > 0 || sizeBytes !== null) this.#watch.begin(sizeBytes);
      return false;
    }
    this.#watch.end();
    const release = this.#release!;
    this.#release = null;
    this.#take(frame, release);
    return true;
  }

  #isAtBounds(sizeBytes: number): boolean {
    const { usedBytes, totalBytes } = this.#options.answers;
    if (usedBytes >= totalBytes && (this.#slots.length > 0 || this.#unsentBytes > 0)) return true;
    if (this.#slots.length === 0) return false;
    return this.#slots.length >= this.#maxRequests || this.#heldBytes + sizeBytes > this.#maxBytes;
  }

  #isReserved(sizeBytes: number): boolean {
    if (this.#release !== null) return true;
    if (this.#isReserving) return false;
    if (sizeBytes <= freeFrameBytes && this.#slots.length === 0) {
      this.#release = () => {};
      return true;
    }
    const { budget } = this.#options;
    this.#release = budget.tryReserve(sizeBytes);
    if (this.#release !== null) return true;
    this.#isReserving = true;
    budget.reserve(sizeBytes, this.#abort.signal).then(
      (release) => {
        this.#isReserving = false;
        if (this.#state === "open") {
          this.#release = release;
          this.#read();
        } else release();
      },
      (error: unknown) => {
        this.#isReserving = false;
        if (this.#state === "open") this.#refuse(toMoldauError(error).message);
      },
    );
    return false;
  }

  #take(frame: Frame, release: () => void): void {
    const slot = new Slot(frame.sizeBytes, release);
    this.#slots.push(slot);
    this.#heldBytes += slot.heldBytes;
    try {
      const peeked = peekRequest(frame.bytes);
      const handler = this.#handlerFor(peeked, slot);
      if (handler !== null) this.#decode(handler, peeked.apiVersion, frame, slot);
    } catch (error) {
      this.#fail(slot, toMoldauError(error).message);
    }
  }

  /** Null: it has been answered. */
  #handlerFor({ apiKey, apiVersion, correlationId }: ReturnType<typeof peekRequest>, slot: Slot): AnyHandler | null {
    const { apis } = this.#options;
    const handler = apis.byKey.get(apiKey);
    if (handler === undefined) throw malformed(`a request of API ${apiKey}, which is not served`);
    const { api } = handler;
    if (isKnownVersion(api, apiVersion)) return handler;
    if (api.key !== apiVersions.key) {
      const [from, to] = api.versions;
      throw malformed(`${api.name} in version ${apiVersion}: ${from} to ${to} are served`);
    }
    // In the oldest version, whose answer every client reads (KIP-511).
    const answer = apis.answer(kafkaErrors.UNSUPPORTED_VERSION.code);
    this.#answer(slot, writeResponse(apiVersions, 0, correlationId, answer));
    return null;
  }

  /** A request may become thirty times its bytes: it is handled once there is room for that. */
  #decode(handler: AnyHandler, version: number, frame: Frame, slot: Slot): void {
    const { decoded } = this.#options;
    const { header, request, elements } = readRequest(handler.api, version, frame.bytes);
    if (elements <= freeElements) {
      this.#handle(handler, header, request, slot);
      return;
    }
    const sizeBytes = elements * elementBytes;
    const release = decoded.tryReserve(sizeBytes);
    if (release === null) this.#decodeLater(handler, version, frame, slot, sizeBytes);
    else {
      this.#hold(slot, release);
      this.#handle(handler, header, request, slot);
    }
  }

  /** What was decoded is let go meanwhile, and decoded anew: those who wait hold their frames alone. */
  #decodeLater(handler: AnyHandler, version: number, frame: Frame, slot: Slot, sizeBytes: number): void {
    this.#isDecoding = true;
    this.#options.decoded
      .reserve(sizeBytes, this.#abort.signal)
      .then((release) => {
        this.#hold(slot, release);
        if (this.#state !== "open") throw this.#abort.signal.reason;
        const { header, request } = readRequest(handler.api, version, frame.bytes);
        this.#handle(handler, header, request, slot);
      })
      .catch((error: unknown) => {
        if (this.#state === "open") this.#fail(slot, toMoldauError(error).message);
        else this.#answer(slot, []);
      })
      .then(() => {
        this.#isDecoding = false;
        this.#read();
      });
  }

  #hold(slot: Slot, release: () => void): void {
    const before = slot.release;
    slot.release = () => {
      before();
      release();
    };
  }

  #handle(handler: AnyHandler, header: RequestHeader, request: unknown, slot: Slot): void {
    const { api } = handler;
    const context = new Context(header, this.#options.client, slot, this.#signalOf);
    const answer = (response: unknown): void => this.#respond(slot, api, header, request, response);
    const fail = (error: unknown): void => this.#explain(slot, api, header, request, error);
    let response: unknown;
    try {
      response = handler.handle(request as never, context);
    } catch (error) {
      fail(error);
      return;
    }
    if (response instanceof Promise) response.then(answer, fail);
    else answer(response);
  }

  /** A signal of the request's own: one for all of a connection's would be listened to by as many as it has in hand. */
  readonly #signalOf = (slot: Slot): AbortSignal => {
    if (slot.abort === null) {
      slot.abort = new AbortController();
      const { signal } = this.#abort;
      if (signal.aborted) slot.abort.abort(signal.reason);
    }
    return slot.abort.signal;
  };

  #abortAll(words: string): void {
    const reason = new MoldauError("BROKER_CLOSED", words);
    this.#abort.abort(reason);
    for (const { abort } of this.#slots) abort?.abort(reason);
  }

  #respond(slot: Slot, api: ApiDefinition, header: RequestHeader, request: unknown, response: unknown): void {
    if (response === null) {
      this.#answer(slot, []);
      return;
    }
    let chunks: Uint8Array[];
    try {
      chunks = writeAny(api, header, response);
    } catch (error) {
      // A handler's mistake: what it gave is no answer.
      this.#explain(slot, api, header, request, new Error(`no answer can be made: ${toMoldauError(error).message}`));
      return;
    }
    this.#answer(slot, chunks);
  }

  /** Says what went wrong in the API's own answer, or ends the connection where it has no place for it. */
  #explain(slot: Slot, api: ApiDefinition, header: RequestHeader, request: unknown, error: unknown): void {
    const { code, message } = toMoldauError(error);
    const what = `${api.name} ${header.apiVersion}`;
    if (code === "UNKNOWN_SERVER_ERROR" && this.#state !== "ended") {
      const { logger, client } = this.#options;
      const stack = error instanceof Error ? (error.stack ?? null) : null;
      logger.log("error", `${what} failed: ${message}`, { client: client.address, clientId: header.clientId, stack });
    }
    const answer = errorAnswer(api, header.apiVersion, request, kafkaErrorCode(error));
    if (answer === null) this.#fail(slot, `${what} failed, and has no answer to say so: ${message}`);
    else this.#answer(slot, writeAny(api, header, answer));
  }

  #answer(slot: Slot, chunks: readonly Uint8Array[]): void {
    slot.release();
    if (this.#state === "ended") {
      runAll(slot.onSent);
      return;
    }
    let sizeBytes = 0;
    for (const { length } of chunks) sizeBytes += length;
    this.#heldBytes += sizeBytes - slot.heldBytes;
    slot.heldBytes = sizeBytes;
    slot.answer = chunks;
    this.#countUnsent(sizeBytes);
    this.#flush();
  }

  /** Writes the answers whose turn it is, as one. */
  #flush(): void {
    while (this.#isWritable()) this.#write();
    if (this.#state === "ending" && this.#slots.length === 0) this.#end();
    if (this.#state === "open") this.#read();
  }

  #isWritable(): boolean {
    return this.#state !== "ended" && !this.#isFull && this.#slots.length > 0 && this.#slots[0]!.answer !== null;
  }

  #write(): void {
    const chunks: Uint8Array[] = [];
    const onSent: (() => void)[] = [];
    let isFatal = false;
    let sizeBytes = 0;
    for (let slot = this.#slots[0]; slot?.answer != null && !isFatal; slot = this.#slots[0]) {
      this.#slots.shift();
      this.#heldBytes -= slot.heldBytes;
      sizeBytes += slot.heldBytes;
      for (const chunk of slot.answer) chunks.push(chunk);
      for (const run of slot.onSent) onSent.push(run);
      isFatal = slot.isFatal;
    }
    if (chunks.length === 0) runAll(onSent);
    else this.#isFull = !this.#options.wire.write(chunks, () => this.#haveSent(sizeBytes, onSent));
    if (isFatal) this.#end();
  }

  #haveSent(sizeBytes: number, onSent: readonly (() => void)[]): void {
    this.#countUnsent(-sizeBytes);
    runAll(onSent);
    if (this.#state === "open") this.#read();
  }

  #countUnsent(bytes: number): void {
    this.#unsentBytes += bytes;
    this.#options.answers.usedBytes += bytes;
  }

  /** Nothing can be said in the place of this answer; those before it are said, and none after it. */
  #fail(slot: Slot, reason: string): void {
    if (this.#state !== "ended") {
      const { logger, client } = this.#options;
      logger.log("warn", `a Kafka connection ends: ${reason}`, { client: client.address });
    }
    slot.isFatal = true;
    this.#beginEnd();
    this.#answer(slot, []);
  }

  /** What comes cannot be read. */
  #refuse(reason: string): void {
    const slot = new Slot(0, () => {}, true);
    this.#slots.push(slot);
    this.#fail(slot, reason);
  }

  #beginEnd(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#pause(true);
    this.#forgetFrame();
    this.#abortAll("the connection is about to end");
  }

  #end(): void {
    this.#stop();
    this.#options.wire.end();
  }

  #stop(): void {
    this.#state = "ended";
    this.#forgetFrame();
    this.#abortAll("the connection has ended");
    // Those in hand are not awaited: their own run when they come to an end.
    for (const { answer, heldBytes, onSent } of this.#slots.splice(0)) {
      if (answer === null) continue;
      this.#countUnsent(-heldBytes);
      runAll(onSent);
    }
    this.#heldBytes = 0;
  }

  #forgetFrame(): void {
    this.#splitter.clear();
    this.#release?.();
    this.#release = null;
    this.#watch.end();
  }

  #pause(isPaused: boolean): void {
    if (this.#isPaused === isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#options.wire.pause();
    else this.#options.wire.resume();
  }
}

function writeAny(api: ApiDefinition, { apiVersion, correlationId }: RequestHeader, response: unknown): Uint8Array[] {
  return writeResponse(api, apiVersion, correlationId, response as ResponseOf<ApiDefinition>);
}

function runAll(runs: readonly (() => void)[]): void {
  for (const run of runs) run();
}
