import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError, type RunBytes } from "../../engine/index.ts";
import { FrameSplitter } from "./frame.ts";

const text = (characters: string): Uint8Array => new TextEncoder().encode(characters);
const flat = (run: RunBytes): Uint8Array => concat(run instanceof Uint8Array ? [run] : run);

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function framed(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + body.length);
  new DataView(frame.buffer).setInt32(0, body.length);
  frame.set(body, 4);
  return frame;
}

function cut(stream: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < stream.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? stream.length);
    chunks.push(stream.slice(at, at + size));
    at += size;
  }
  return chunks;
}

test("frames are what was sent, however it was cut", () => {
  let whole = 0;
  let inPieces = 0;
  const body = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 60 }),
    fc.integer({ min: 1, max: 60_000 }).map((size) => new Uint8Array(size).fill(size & 255, size >> 1)),
  );
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 20_000 })), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.array(body, { minLength: 1, maxLength: 5 }), sizes, fc.boolean(), (bodies, at, atOnce) => {
      const splitter = new FrameSplitter();
      const stream = concat(bodies.map(framed));
      // Looked at when all have come: a later frame may not lie in an earlier one.
      const got: RunBytes[] = [];
      const take = (): void => {
        for (let frame = splitter.next(); frame !== null; frame = splitter.next()) {
          strictEqual(frame.sizeBytes, flat(frame.bytes).length);
          if (frame.bytes instanceof Uint8Array) whole += 1;
          else inPieces += 1;
          got.push(frame.bytes);
        }
      };
      for (const chunk of cut(stream, at)) {
        splitter.push(chunk);
        if (!atOnce) take();
      }
      take();
      deepStrictEqual(
        got.map(flat),
        bodies.map((one) => Uint8Array.from(one)),
      );
      strictEqual(splitter.heldBytes, 0);
    }),
    { numRuns: 150 },
  );
  ok(whole > 50 && inPieces > 20, `${whole} whole, ${inPieces} in pieces`);
});

test("a frame that lies in one chunk is a view of it, and large chunks are not copied", () => {
  const splitter = new FrameSplitter();
  const chunk = framed(new Uint8Array(10_000));
  splitter.push(chunk);
  const one = splitter.next()?.bytes;
  ok(one instanceof Uint8Array && one.buffer === chunk.buffer);

  const halves = [chunk.slice(0, 5_000), chunk.slice(5_000)];
  for (const half of halves) splitter.push(half);
  const two = splitter.next()?.bytes as Uint8Array[];
  deepStrictEqual(
    two.map(({ buffer }) => buffer),
    halves.map(({ buffer }) => buffer),
  );
});

test("a frame in single bytes comes in few pieces", () => {
  const splitter = new FrameSplitter();
  const stream = framed(Uint8Array.from({ length: 100_000 }, (_, at) => at));
  for (let at = 0; at < stream.length; at++) {
    if (at > 4) strictEqual(splitter.next(), null);
    splitter.push(stream.slice(at, at + 1));
    // Its size is taken when it is asked for.
    strictEqual(splitter.heldBytes, at < 5 ? at + 1 : at - 3);
  }
  const frame = splitter.next();
  const pieces = frame?.bytes ?? [];
  ok(Array.isArray(pieces) && pieces.length > 1 && pieces.length <= 7, `${pieces.length} pieces`);
  deepStrictEqual(flat(pieces), stream.subarray(4));
});

test("a size that may not be is refused before anything is kept of the frame", () => {
  const refused: readonly (readonly [Uint8Array, RegExp])[] = [
    [Uint8Array.of(0, 0, 0, 0), /a frame of 0 bytes/],
    [Uint8Array.of(255, 255, 255, 255), /a frame of -1 bytes/],
    [Uint8Array.of(0x80, 0, 0, 0), /a frame of -2147483648 bytes/],
    [Uint8Array.of(0, 0, 4, 1), /a frame of 1025 bytes: the largest may have 1024/],
    [Uint8Array.of(0x7f, 255, 255, 255), /a frame of 2147483647 bytes/],
    [text("GET / HTTP/1.1\r\n"), /an HTTP request/],
    [text("POST /v1/topics"), /an HTTP request/],
    [text("PUT /v1"), /an HTTP request/],
    [text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), /an HTTP request/],
    [text("HEAD /"), /an HTTP request/],
    [text("OPTIONS *"), /an HTTP request/],
    [Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1), /a TLS hello/],
    [Uint8Array.of(0x16, 3, 3, 0, 200), /a TLS hello/],
  ];
  for (const [came, words] of refused) {
    const splitter = new FrameSplitter(1024);
    for (const byte of came.subarray(0, 3)) splitter.push(Uint8Array.of(byte));
    strictEqual(splitter.peekSize(), null);
    splitter.push(came.subarray(3));
    const refuses = (error: unknown): boolean =>
      error instanceof MoldauError && error.code === "INVALID_REQUEST" && words.test(error.message);
    throws(() => splitter.next(), refuses, String(words));
  }
});

test("the largest frame is what it is told, within what tells requests from others", () => {
  const splitter = new FrameSplitter(1024);
  splitter.push(framed(new Uint8Array(1024)));
  strictEqual(splitter.next()?.sizeBytes, 1024);
  for (const size of [0, -1, 0.5, 2 ** 28 + 1, Number.NaN])
    throws(() => new FrameSplitter(size), { name: "MoldauError", code: "INVALID_CONFIG" });
});

test("what is forgotten is forgotten, in the middle of a frame too", () => {
  const splitter = new FrameSplitter();
  splitter.push(framed(new Uint8Array(100)).subarray(0, 50));
  strictEqual(splitter.next(), null);
  splitter.clear();
  strictEqual(splitter.heldBytes, 0);
  splitter.push(framed(Uint8Array.of(1, 2)));
  deepStrictEqual(flat(splitter.next()?.bytes ?? []), Uint8Array.of(1, 2));
});
