// A request's body in memory, within its limits.
//
// Owns: the limit of one request, and the share of the broker's budget that a body takes.
// Never: looks into the bytes, or copies what came in one piece.
//
// Invariants: a body over the limit is refused by its Content-Length before a byte is kept,
//   else as soon as it passes the limit; a body that ended early is never handed on; one that
//   falls silent gives its share back. What is refused is read past without being kept.

import { MoldauError } from "../../engine/index.ts";
import type { BodyFlow, BodyReader } from "../exchange.ts";
import type { Deadline } from "./deadlines.ts";
import { Discarding, type IncomingBody } from "./incoming-body.ts";
import type { Face } from "./operation.ts";
import { parseInteger } from "./parameters.ts";
import { invalid } from "./problem.ts";
import { type Client, roomWaitMs, waitingForRoom } from "./room.ts";

/** What a body of unknown length may hold before it asks the budget: less than a socket buffers. */
export const freeBytes: number = 64 * 1024;

/** A body that holds budget and is silent for so long loses it. Milliseconds. */
export const bodyIdleMs: number = 10_000;
/** A body of at most `freeBytes` is whole by then. Milliseconds. */
export const smallBodyMs: number = 30_000;
export interface HeldBody {
  /** As they came. */
  readonly chunks: readonly Uint8Array[];
  readonly sizeBytes: number;
  /** Gives the budget back; call it when the bytes are no longer needed. */
  release(): void;
}

export async function holdBody(body: IncomingBody, face: Face): Promise<HeldBody> {
  const declared = declaredBytes(body.request, face);
  if (declared === null) return holdUndeclared(body, face);
  return declared > freeBytes ? holdLarge(body, declared, face) : holdSmall(body, declared, face);
}

/** One piece, which is the body's own when it came as one. */
export function wholeBody({ chunks, sizeBytes }: HeldBody): Uint8Array {
  return concat(chunks, sizeBytes);
}

/** Content-Length, null when there is none; refused when over the limit. */
export function declaredBytes(request: Request, face: Face): number | null {
  const text = request.headers.get("content-length");
  if (text === null) return null;
  const bytes = parseInteger("content-length", text, { minimum: 0 });
  if (bytes > face.maxRequestBytes) throw tooLarge(face);
  return bytes;
}

/** Nothing is reserved before it is whole, so that one that stalls holds nothing. */
async function holdSmall(body: IncomingBody, declared: number, face: Face): Promise<HeldBody> {
  let chunks: readonly Uint8Array[];
  let sizeBytes: number;
  if (body.isDirect) {
    const collecting = new Collecting(body, face, { declared, isSmall: true });
    await collecting.whole();
    ({ chunks, sizeBytes } = collecting);
  } else {
    const bytes = await inTime(face, smallBodyMs, body.arrayBuffer().catch(endedEarly), notWhole);
    chunks = [new Uint8Array(bytes)];
    sizeBytes = bytes.byteLength;
    if (sizeBytes !== declared) throw wrongLength(sizeBytes, declared);
  }
  return { chunks, sizeBytes, release: await reserve(sizeBytes, body.request, face) };
}

async function holdLarge(body: IncomingBody, declared: number, face: Face): Promise<HeldBody> {
  const release = await reserve(declared, body.request, face);
  const collecting = new Collecting(body, face, { declared }, release);
  await collecting.whole();
  const { chunks, sizeBytes } = collecting;
  return { chunks, sizeBytes, release };
}

async function holdUndeclared(body: IncomingBody, face: Face): Promise<HeldBody> {
  // All at once: two bodies that grow share by share could wait for each other for ever.
  const grow = (): Promise<() => void> => reserve(face.maxRequestBytes, body.request, face);
  const collecting = new Collecting(body, face, { declared: null, grow });
  await collecting.whole();
  const { chunks, sizeBytes, release } = collecting;
  return { chunks, sizeBytes, release };
}

interface Expected {
  /** Bytes. */
  readonly declared: number | null;
  /** It is to be whole in time, and not only to go on. */
  readonly isSmall?: boolean;
  /** Asks for room once it has passed `freeBytes`; nothing is read meanwhile. */
  readonly grow?: () => Promise<() => void>;
}

class Collecting implements BodyReader {
  readonly chunks: Uint8Array[] = [];
  sizeBytes = 0;
  /** Of the budget; called here when the body is refused. */
  release: () => void;
  readonly #face: Face;
  readonly #expected: Expected;
  readonly #flow: BodyFlow;
  #deadline: Deadline;
  #hasGrown = false;
  #state: "open" | "over" | "refused" = "open";
  #settle: (fault: Error | null) => void = () => {};
  readonly #settled: Promise<Error | null>;
  #discarding: Discarding | null = null;

  constructor(body: IncomingBody, face: Face, expected: Expected, release: () => void = () => {}) {
    this.#face = face;
    this.#expected = expected;
    this.release = release;
    this.#settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#deadline = this.#beginDeadline();
    this.#flow = body.read(this);
  }

  /** Rejects with what is wrong, when the rest has been read past. */
  async whole(): Promise<void> {
    const fault = await this.#settled;
    if (fault === null) return;
    if (this.#state === "refused") {
      this.#discarding = new Discarding(this.#face);
      await this.#discarding.from(this.#flow);
    }
    throw fault;
  }

  chunk(bytes: Uint8Array): void {
    if (this.#state !== "open") return this.#discarding?.chunk(bytes);
    const { declared, isSmall, grow } = this.#expected;
    this.sizeBytes += bytes.length;
    if (declared !== null && this.sizeBytes > declared) return this.#refuse(wrongLength(this.sizeBytes, declared));
    if (this.sizeBytes > this.#face.maxRequestBytes) return this.#refuse(tooLarge(this.#face));
    this.chunks.push(bytes);
    if (isSmall !== true) this.#deadline.renew();
    if (grow === undefined || this.#hasGrown || this.sizeBytes <= freeBytes) return;
    this.#hasGrown = true;
    this.#grow(grow);
  }

  end(): void {
    if (this.#state !== "open") return this.#endRefused();
    const { declared } = this.#expected;
    this.#finish(
      "over",
      declared === null || this.sizeBytes === declared ? null : wrongLength(this.sizeBytes, declared),
    );
  }

  broken(): void {
    if (this.#state !== "open") return this.#endRefused();
    this.#finish("over", brokenOff());
  }

  #endRefused(): void {
    this.#state = "over";
    this.#discarding?.end();
  }

  async #grow(grow: () => Promise<() => void>): Promise<void> {
    this.#flow.pause();
    this.#deadline.end();
    try {
      const release = await grow();
      if (this.#state !== "open") return release();
      this.release = release;
    } catch (thrown) {
      this.#refuse(thrown as Error);
      return;
    }
    this.#deadline = this.#beginDeadline();
    this.#flow.resume();
  }

  #beginDeadline(): Deadline {
    const { smallBodies, idleBodies } = this.#face.deadlines;
    return this.#expected.isSmall === true
      ? smallBodies.begin(() => this.#refuse(notWhole()))
      : idleBodies.begin(() => this.#refuse(fellSilent()));
  }

  #refuse(fault: Error): void {
    if (this.#state === "open") this.#finish("refused", fault);
  }

  #finish(state: "over" | "refused", fault: Error | null): void {
    this.#state = state;
    this.#deadline.end();
    if (fault !== null) {
      this.chunks.length = 0;
      this.release();
    }
    this.#settle(fault);
  }
}

/** A share of the broker's budget, or THROTTLING_QUOTA_EXCEEDED when there is no room for long. */
export async function reserve(sizeBytes: number, client: Client, face: Face): Promise<() => void> {
  const atOnce = face.broker.tryReserve(sizeBytes);
  if (atOnce !== null) return atOnce;
  const waiting = waitingForRoom(client, roomWaitMs, face);
  try {
    return await face.broker.reserve(sizeBytes, waiting.signal);
  } finally {
    waiting.end();
  }
}

export async function inTime<T>({ clock }: Face, ms: number, awaited: Promise<T>, late: () => Error): Promise<T> {
  let unschedule = (): void => {};
  const lateness = new Promise<never>((_, reject) => {
    unschedule = clock.schedule(ms, () => reject(late()));
  });
  try {
    return await Promise.race([awaited, lateness]);
  } finally {
    unschedule();
  }
}

export function concat(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function wrongLength(sizeBytes: number, declared: number): MoldauError {
  return invalid(`the body has ${sizeBytes} bytes, but content-length says ${declared}; nothing was appended`);
}

function notWhole(): MoldauError {
  return invalid(`the body was not whole after ${smallBodyMs / 1000} s; nothing was appended`);
}

function fellSilent(): MoldauError {
  return invalid(`no byte of the body came for ${bodyIdleMs / 1000} s; nothing was appended`);
}

function brokenOff(): MoldauError {
  return invalid("the request ended before its body did; nothing was appended");
}

function endedEarly(): never {
  throw brokenOff();
}

export function tooLarge(face: Face): MoldauError {
  return new MoldauError(
    "MESSAGE_TOO_LARGE",
    `a request may hold ${face.maxRequestBytes} bytes at most; send less at once, or a stream`,
  );
}
