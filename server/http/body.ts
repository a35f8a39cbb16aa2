// A request's body in memory, within its limits.
//
// Owns: the limit of one request, and the share of the broker's budget that a body takes.
// Never: looks into the bytes.
//
// Invariants: a body over the limit is refused by its Content-Length before a byte is kept,
//   else as soon as it passes the limit; a body that ended early is never handed on. What is
//   refused is read past without being kept.

import { MoldauError } from "../../engine/index.ts";
import type { Face } from "./operation.ts";
import { parseInteger } from "./parameters.ts";
import { invalid } from "./problem.ts";

/** What a body of unknown length may hold before it asks the budget: less than a socket buffers. */
export const freeBytes: number = 64 * 1024;

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
  const release = await face.broker.reserve(declared, request.signal);
  begun.add(request);
  try {
    const bytes = new Uint8Array(await request.arrayBuffer().catch(endedEarly));
    if (bytes.length > face.maxRequestBytes) throw tooLarge(face);
    if (bytes.length !== declared) {
      throw invalid(`the body has ${bytes.length} bytes, but content-length says ${declared}; nothing was appended`);
    }
    return { bytes, release };
  } catch (thrown) {
    release();
    throw thrown;
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
      const { done, value } = await reader.read().catch(endedEarly);
      if (done) break;
      sizeBytes += value.length;
      if (sizeBytes > face.maxRequestBytes) throw tooLarge(face);
      // All at once: two bodies that grow share by share could wait for each other for ever.
      if (sizeBytes > freeBytes && !reserved) {
        reserved = true;
        release = await face.broker.reserve(face.maxRequestBytes, request.signal);
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

function endedEarly(): never {
  throw invalid("the request ended before its body did; nothing was appended");
}

export function tooLarge(face: Face): MoldauError {
  return new MoldauError(
    "MESSAGE_TOO_LARGE",
    `a request may hold ${face.maxRequestBytes} bytes at most; send less at once, or a stream`,
  );
}
