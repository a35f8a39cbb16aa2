// A request's body in memory, within its limits.
//
// Owns: the limit of one request, and the share of the broker's budget that a body takes.
// Never: looks into the bytes.
//
// Invariants: a body over the limit is refused by its Content-Length before a byte is kept,
//   else as soon as it passes the limit; a body that ended early is never handed on; one that
//   falls silent gives its share back. What is refused is read past without being kept.

import { MoldauError } from "../../engine/index.ts";
import type { Face } from "./operation.ts";
import { parseInteger } from "./parameters.ts";
import { invalid } from "./problem.ts";

/** What a body of unknown length may hold before it asks the budget: less than a socket buffers. */
export const freeBytes: number = 64 * 1024;

/** A body that holds budget and is silent for so long loses it. Milliseconds. */
export const bodyIdleMs: number = 10_000;
/** A body of at most `freeBytes` is whole by then. Milliseconds. */
const smallBodyMs = 30_000;
/** How long a body waits for its turn. Milliseconds. */
const budgetWaitMs = 10_000;

/** How long a refused body is read past, and how long a pause in it may be. Milliseconds. */
const discardMs = 5000;
const discardIdleMs = 250;

export interface HeldBody {
  readonly bytes: Uint8Array;
  /** Gives the budget back; call it when the bytes are no longer needed. */
  release(): void;
}

/** Requests whose body somebody has begun to read. */
const begun = new WeakSet<Request>();

export function beginBody(request: Request): ReadableStreamDefaultReader<Uint8Array> | null {
  begun.add(request);
  return request.body === null ? null : request.body.getReader();
}

export async function holdBody(request: Request, face: Face): Promise<HeldBody> {
  const declared = declaredBytes(request, face);
  return declared === null ? holdUndeclared(request, face) : holdDeclared(request, declared, face);
}

/** Content-Length, null when there is none; refused when over the limit. */
export function declaredBytes(request: Request, face: Face): number | null {
  const text = request.headers.get("content-length");
  if (text === null) return null;
  const bytes = parseInteger("content-length", text, { minimum: 0 });
  if (bytes > face.maxRequestBytes) throw tooLarge(face);
  return bytes;
}

async function holdDeclared(request: Request, declared: number, face: Face): Promise<HeldBody> {
  if (declared > freeBytes) return holdLarge(request, declared, face);
  // Nothing is reserved before it is whole, so that one that stalls holds nothing.
  begun.add(request);
  const buffer = await inTime(face, smallBodyMs, request.arrayBuffer().catch(endedEarly), () =>
    invalid(`the body was not whole after ${smallBodyMs / 1000} s; nothing was appended`),
  );
  const bytes = new Uint8Array(buffer);
  if (bytes.length !== declared) throw wrongLength(bytes.length, declared);
  return { bytes, release: await reserve(bytes.length, request.signal, face) };
}

async function holdLarge(request: Request, declared: number, face: Face): Promise<HeldBody> {
  const release = await reserve(declared, request.signal, face);
  const reader = beginBody(request);
  try {
    const bytes = new Uint8Array(declared);
    let sizeBytes = 0;
    while (reader !== null) {
      const { done, value } = await readInTime(reader, face);
      if (done) break;
      if (sizeBytes + value.length > declared) throw wrongLength(sizeBytes + value.length, declared);
      bytes.set(value, sizeBytes);
      sizeBytes += value.length;
    }
    if (sizeBytes !== declared) throw wrongLength(sizeBytes, declared);
    return { bytes, release };
  } catch (thrown) {
    release();
    if (reader !== null) await discard(reader, face);
    throw thrown;
  }
}

/** A share of the broker's budget, or THROTTLING_QUOTA_EXCEEDED when there is no room for long. */
export async function reserve(sizeBytes: number, signal: AbortSignal, face: Face): Promise<() => void> {
  const waiting = new AbortController();
  const leave = (): void => waiting.abort(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  const unschedule = face.clock.schedule(budgetWaitMs, () => {
    const words = `there was no room for the request for ${budgetWaitMs / 1000} s; try again later`;
    waiting.abort(new MoldauError("THROTTLING_QUOTA_EXCEEDED", words));
  });
  try {
    return await face.broker.reserve(sizeBytes, waiting.signal);
  } finally {
    unschedule();
    signal.removeEventListener("abort", leave);
  }
}

/** The next piece of a body, or INVALID_REQUEST when it broke off or is silent for long. */
function readInTime(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  face: Face,
): Promise<Awaited<ReturnType<typeof reader.read>>> {
  return inTime(face, bodyIdleMs, reader.read().catch(endedEarly), () =>
    invalid(`no byte of the body came for ${bodyIdleMs / 1000} s; nothing was appended`),
  );
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

async function holdUndeclared(request: Request, face: Face): Promise<HeldBody> {
  const reader = beginBody(request);
  if (reader === null) return { bytes: new Uint8Array(0), release: () => {} };
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let release = (): void => {};
  let reserved = false;
  try {
    for (;;) {
      const { done, value } = await readInTime(reader, face);
      if (done) break;
      sizeBytes += value.length;
      if (sizeBytes > face.maxRequestBytes) throw tooLarge(face);
      // All at once: two bodies that grow share by share could wait for each other for ever.
      if (sizeBytes > freeBytes && !reserved) {
        reserved = true;
        release = await reserve(face.maxRequestBytes, request.signal, face);
      }
      chunks.push(value);
    }
    return { bytes: concat(chunks, sizeBytes), release };
  } catch (thrown) {
    release();
    await discard(reader, face);
    throw thrown;
  }
}

/**
 * Reads past the body of a request that is refused, within limits: what is left unread costs the
 * client its connection on some runtimes, and its answer when it writes into a closed one.
 */
export async function discardBody(request: Request, face: Face): Promise<void> {
  if (begun.has(request) || request.method === "GET" || request.method === "HEAD") return;
  const reader = beginBody(request);
  if (reader !== null) await discard(reader, face);
}

async function discard(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  { clock, maxRequestBytes }: Face,
): Promise<void> {
  const end = clock.monotonic() + discardMs;
  let idle = (): void => {};
  try {
    for (let left = 2 * maxRequestBytes; left > 0 && clock.monotonic() < end; ) {
      const silence = new Promise<null>((resolve) => {
        idle = clock.schedule(discardIdleMs, () => resolve(null));
      });
      const piece = await Promise.race([reader.read(), silence]);
      idle();
      if (piece === null || piece.done) break;
      left -= piece.value.length;
    }
    // Not cancelled: that would cut the connection before the answer is out.
    reader.releaseLock();
  } catch {
    idle(); // the client has gone
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

function endedEarly(): never {
  throw invalid("the request ended before its body did; nothing was appended");
}

export function tooLarge(face: Face): MoldauError {
  return new MoldauError(
    "MESSAGE_TOO_LARGE",
    `a request may hold ${face.maxRequestBytes} bytes at most; send less at once, or a stream`,
  );
}
